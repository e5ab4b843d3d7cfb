import { Client } from 'pg'

/** In the producing service's database. A key's row is what its writers lock; `at` is when the transaction began. */
const producerTables = `
  create table chaos_key (key text primary key, sequence integer not null default 0);
  create table committed (
    id text not null, kind text not null, key text, sequence integer, fate text, delay_ms integer, flow text, amount integer,
    process text not null, at timestamptz not null default now()
  );
  create table flow (id text not null, events integer not null, amount integer not null);
  create table pace (hold boolean not null);
  insert into pace values (false);
`

/** In each consuming service's database. No unique index: it would hide what is applied twice. */
const consumerTables = `
  create table chaos_key (key text primary key);
  create table effects (
    id bigint generated always as identity, grp text not null, message text not null, kind text not null, key text, sequence integer,
    amount integer, round integer not null default 0, attempt integer not null, process text not null,
    at timestamptz not null default clock_timestamp()
  );
`

export async function makeProducerTables(url: string, keys: readonly string[]): Promise<void> {
  await onceOn(url, producerTables, keys)
}

export async function makeConsumerTables(url: string, keys: readonly string[]): Promise<void> {
  await onceOn(url, consumerTables, keys)
}

/** Lets the producers write nothing more for now, or go on. */
export async function holdProducers(url: string, hold: boolean): Promise<void> {
  await withClient(url, (client) => client.query('update pace set hold = $1', [hold]))
}

async function onceOn(url: string, tables: string, keys: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(tables)
    await client.query('insert into chaos_key (key) select unnest($1::text[])', [keys])
  })
}

async function withClient(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
