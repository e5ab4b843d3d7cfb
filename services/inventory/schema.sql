-- What there is of each product. Every piece is in one of three places, and the server refuses a row that says otherwise.
create table if not exists stock (
  sku text primary key,
  initial bigint not null,
  available bigint not null check (available >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  sold bigint not null default 0 check (sold >= 0),
  check (available + reserved + sold = initial)
);

-- What is held for an order, all of it or nothing. An order that was cancelled before anything was held has a row too,
-- released and without lines: whatever asks for it later finds that it is over.
create table if not exists reservations (
  order_id text primary key,
  state text not null check (state in ('reserved', 'confirmed', 'released')),
  expires_at timestamptz,
  changed_at timestamptz not null default clock_timestamp()
);

create table if not exists reservation_lines (
  order_id text not null references reservations,
  sku text not null references stock,
  quantity bigint not null check (quantity > 0),
  primary key (order_id, sku)
);
