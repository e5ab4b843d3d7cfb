import { Pool, type PoolClient } from 'pg'
import { randomUUID } from 'node:crypto'
import { repeat } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'
import type { Contestant } from './contestant.ts'

const schema = `
  create table if not exists outbox (
    id uuid primary key, key text, type text not null, payload json not null, at timestamptz not null default now()
  );
  create table if not exists applied (id text primary key, at timestamptz not null default now())`

const insertOne = 'insert into outbox (id, key, type, payload) values ($1, $2, $3, $4)'

/** What there is without a library: an outbox table to insert into, and transactions that insert one row. */
export async function openSql(url: string): Promise<Contestant> {
  const pool = new Pool({ connectionString: url, max: 16 })
  await pool.query(schema)
  const type = 'order.placed'
  return {
    publish: ({ ms, atOnce, keys, batch, transaction }) =>
      repeat({ ms, atOnce }, async (n) => {
        if (batch === 1) {
          const { id, key, payload } = itemOf(n, keys)
          const values = [id, key, type, JSON.stringify(payload)]
          if (transaction === 'caller') await inTransaction(pool, (tx) => tx.query(insertOne, values))
          else await pool.query(insertOne, values)
          return 1
        }
        const items = itemsOf(n * batch, batch, keys)
        await pool.query(
          'insert into outbox (id, key, type, payload) select id, key, $4, payload from unnest($1::uuid[], $2::text[], $3::json[]) u(id, key, payload)',
          [
            items.map(({ id }) => id),
            items.map(({ key }) => key),
            items.map(({ payload }) => JSON.stringify(payload)),
            type,
          ],
        )
        return batch
      }),
    load: async ({ count }) => ({ count, ms: 0 }),
    drain: async ({ ms, atOnce }) => {
      const clients = await Promise.all(Array.from({ length: atOnce }, () => pool.connect()))
      try {
        return await repeat({ ms, atOnce }, async (_, loop) => {
          const client = clients[loop]
          if (client === undefined) return 0
          await client.query('begin')
          await client.query('insert into applied (id) values ($1)', [randomUUID()])
          await client.query('commit')
          return 1
        })
      } finally {
        for (const client of clients) client.release()
      }
    },
    close: () => pool.end(),
  }
}

async function inTransaction(pool: Pool, work: (tx: PoolClient) => Promise<unknown>): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await work(client)
    await client.query('commit')
  } finally {
    client.release()
  }
}
