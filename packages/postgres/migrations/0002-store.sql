-- What a service keeps about the messages its groups consume: which ones they have taken, which wait, which are dead;
-- and its sagas and schedule. The log itself is in 0001.

-- Groups by a small number, so that the inbox, the largest table, does not repeat their names.
create table @schema@.inbox_group (
  id integer generated always as identity primary key,
  name text collate "C" not null unique
);

-- One row for each message that a group has taken: applied, parked or dead.
create table @schema@.inbox (
  grp integer not null,
  id text collate "C" not null,
  -- CRC-32 of the body: the same id with another body is worth a look.
  crc integer not null,
  at timestamptz not null default clock_timestamp(),
  primary key (grp, id)
);
-- For the purge. A batch shares one moment, so its entries share one index tuple.
create index inbox_at on @schema@.inbox (at);

-- Messages that wait. Of those with one (grp, key_hash) only the first by seq may be due; the others wait at infinity.
create table @schema@.parked (
  seq bigint generated always as identity primary key,
  grp integer not null,
  id text collate "C" not null,
  type text not null,
  stream text not null,
  key text,
  priority smallint not null,
  -- json and not jsonb: kept to the byte, and jsonb refuses \u0000.
  headers json not null,
  body bytea not null,
  reason text not null check (reason in ('retry', 'behind', 'suspect', 'external', 'timeout', 'dead', 'replay')),
  -- 64 bits of the hash of (stream, key) where order is kept, else null.
  key_hash bigint,
  attempts integer not null,
  due_at timestamptz not null,
  -- Set while a process has it under a lease; an outcome written with another token changes nothing.
  token uuid,
  failing_since timestamptz,
  error json,
  constraint parked_message unique (grp, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index parked_key on @schema@.parked (grp, key_hash, seq) where key_hash is not null;
-- Two indexes, so that both kinds of claim read only what is theirs: what may have ended its process runs alone.
create index parked_due on @schema@.parked (grp, due_at) where due_at < 'infinity' and token is null;
create index parked_leased on @schema@.parked (grp, due_at) where due_at < 'infinity' and token is not null;

create table @schema@.dead_letter (
  seq bigint generated always as identity primary key,
  grp integer not null,
  id text collate "C" not null,
  type text not null,
  stream text not null,
  key text,
  priority smallint not null,
  headers json not null,
  body bytea not null,
  key_hash bigint,
  reason text not null,
  error json not null,
  fingerprint text not null,
  attempts integer not null,
  state text not null check (state in ('dead', 'replaying', 'replayed', 'discarded')),
  -- Whether its key is held until an operator decides.
  blocking boolean not null,
  died_at timestamptz not null default clock_timestamp(),
  constraint dead_letter_message unique (grp, id)
);
create index dead_letter_state on @schema@.dead_letter (state, died_at, seq);

create table @schema@.saga (
  name text collate "C" not null,
  id text collate "C" not null,
  state json not null,
  version integer not null,
  completed boolean not null,
  timeouts json not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (name, id)
) with (fillfactor = 80);

-- Messages to be appended to the log at their time.
create table @schema@.scheduled (
  seq bigint generated always as identity primary key,
  id text collate "C" not null unique,
  type text not null,
  stream text not null,
  key text,
  priority smallint not null,
  headers json not null,
  body bytea not null,
  due_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index scheduled_due on @schema@.scheduled (due_at, seq);

create table @schema@.cron (
  name text collate "C" primary key,
  expression text not null,
  next_at timestamptz not null
) with (fillfactor = 50);

-- Which messages of a batch a group has not taken before: one letter for each, in their order.
-- n new, and its row is written now; d duplicate; c the same id with another body; b held back by what is parked of its key;
-- r a row that was there and gone again meanwhile.
-- A function, so that the plan is kept whether or not the client prepares statements: planning took ten times as long as running.
-- An id must not come twice; a hash is null where order is not kept. Waits for transactions that are taking the same ids.
create function @schema@.inbox_accept(group_id integer, ids text[], crcs integer[], hashes bigint[]) returns text
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  taken text[];
  held text[];
  answers text;
begin
  -- What is not held back is taken at once; hardly ever does anything wait or come twice.
  if cardinality(ids) = 1 then
    if exists (select from @schema@.parked p where p.grp = group_id and p.key_hash = hashes[1] and p.key_hash is not null) then
      held := ids;
    else
      insert into @schema@.inbox (grp, id, crc) values (group_id, ids[1], crcs[1]) on conflict do nothing;
      if found then
        return 'n';
      end if;
    end if;
  else
    if exists (select from @schema@.parked p where p.grp = group_id and p.key_hash is not null) then
      select coalesce(array_agg(i.id), '{}') into held from unnest(ids, hashes) i(id, hash)
      where exists (select from @schema@.parked p where p.grp = group_id and p.key_hash = i.hash and p.key_hash is not null);
    end if;
    with row as (
      -- In the order of ids: two batches that share some never wait for each other in a circle.
      insert into @schema@.inbox (grp, id, crc, at)
      select group_id, i.id, i.crc, now.at
      from unnest(ids, crcs) i(id, crc), (select clock_timestamp() as at offset 0) now
      where held is null or not i.id = any (held)
      order by i.id
      on conflict do nothing
      returning id
    )
    select coalesce(array_agg(row.id), '{}') into taken from row;
    if cardinality(taken) = cardinality(ids) then
      return repeat('n', cardinality(ids));
    end if;
  end if;

  -- The rest has been seen before, maybe in a transaction that the insert waited for. A statement of its own sees what that
  -- has written; if it has parked a key, what was taken of the key is given back.
  with item as materialized (
    select i.n, i.id, i.crc, coalesce(i.id = any (taken), false) as taken, coalesce(i.id = any (held), false) as held,
      (select b.crc from @schema@.inbox b where b.grp = group_id and b.id = i.id) as seen,
      exists (select from @schema@.parked p where p.grp = group_id and p.key_hash = i.hash and p.key_hash is not null) as parked
    from unnest(ids, crcs, hashes) with ordinality i(id, crc, hash, n)
  ), given_back as (
    delete from @schema@.inbox b
    where b.grp = group_id and b.id = any (array(select i.id from item i where i.taken and i.parked))
  )
  select string_agg(case
      when i.taken then case when i.parked then 'b' else 'n' end
      when i.seen = i.crc then 'd' when i.seen is not null then 'c' when i.held or i.parked then 'b' else 'r'
    end, '' order by i.n) into answers
  from item i;
  return answers;
end
$$;
