-- The role that migrates. Only `acuse migrate` uses it.
create role shop_owner login password 'change me';
create schema acuse authorization shop_owner;

-- The role the service runs as: no DDL anywhere in the schema.
create role shop_service login password 'change me too';
grant usage on schema acuse to shop_service;
alter default privileges for role shop_owner in schema acuse grant select, insert, update, delete on tables to shop_service;
alter default privileges for role shop_owner in schema acuse grant usage, select on sequences to shop_service;
