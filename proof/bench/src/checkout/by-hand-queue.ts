import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { Order } from './place-orders.ts'
import type { Role } from './roles.ts'

export interface QueueMessage {
  readonly id: string
  readonly type: string
  readonly payload: Order
}

export const messageTables = {
  service: `;
    create table if not exists outbox (
      seq bigint generated always as identity primary key, id text not null, recipient text not null, type text not null, payload json not null
    );
    create table if not exists inbox (id text primary key, at timestamptz not null default now());
    create table if not exists saga (order_id text primary key, step text not null)`,
  messages: `
    create table if not exists queue (
      seq bigint generated always as identity primary key, id text not null unique, recipient text not null, type text not null, payload json not null
    );
    create index if not exists queue_recipient on queue (recipient, seq)`,
} as const

const pollMs = 5
const moveBatch = 100
const takeBatch = 8
/** Batches of messages worked on at once; each of their messages is a transaction of its own. */
const workers = 8

/** Polls while there is something to do, and pauses a little when there is not. */
abstract class Polling {
  #stopped = true
  #loops: readonly Promise<void>[] = []

  start(): void {
    this.#stopped = false
    this.#loops = Array.from({ length: this.parallel }, () => this.#loop())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) if ((await this.once()) === 0) await sleep(pollMs)
  }

  protected abstract readonly parallel: number
  protected abstract once(): Promise<number>
}

/** Moves a service's outbox to the queue: there first, and only then is it deleted here. */
export class Mover extends Polling {
  protected readonly parallel: number = 1
  readonly #from: Pool
  readonly #to: Pool

  constructor(from: Pool, to: Pool) {
    super()
    this.#from = from
    this.#to = to
  }

  protected async once(): Promise<number> {
    return inTransaction(this.#from, async (tx) => {
      const { rows } = await tx.query<QueueMessage & { seq: string; recipient: string }>(
        'select seq, id, recipient, type, payload from outbox order by seq limit $1 for update skip locked',
        [moveBatch],
      )
      if (rows.length === 0) return 0
      await this.#to.query(
        'insert into queue (id, recipient, type, payload) select * from unnest($1::text[], $2::text[], $3::text[], $4::json[]) on conflict (id) do nothing',
        [
          rows.map(({ id }) => id),
          rows.map(({ recipient }) => recipient),
          rows.map(({ type }) => type),
          rows.map(({ payload }) => JSON.stringify(payload)),
        ],
      )
      await tx.query('delete from outbox where seq = any ($1)', [rows.map(({ seq }) => seq)])
      return rows.length
    })
  }
}

/** Takes messages from the queue, handles each in a transaction with its inbox row, and deletes them. */
export class QueueWorker extends Polling {
  protected readonly parallel: number = workers
  readonly #role: Role
  readonly #store: Pool
  readonly #messages: Pool
  readonly #handle: (message: QueueMessage, tx: PoolClient) => Promise<void>
  readonly #onDone: (message: QueueMessage) => void

  constructor(
    role: Role,
    store: Pool,
    messages: Pool,
    handle: (message: QueueMessage, tx: PoolClient) => Promise<void>,
    onDone: (message: QueueMessage) => void,
  ) {
    super()
    this.#role = role
    this.#store = store
    this.#messages = messages
    this.#handle = handle
    this.#onDone = onDone
  }

  protected async once(): Promise<number> {
    return inTransaction(this.#messages, async (claim) => {
      const { rows } = await claim.query<QueueMessage & { seq: string }>(
        'select seq, id, type, payload from queue where recipient = $1 order by seq limit $2 for update skip locked',
        [this.#role, takeBatch],
      )
      if (rows.length === 0) return 0
      for (const message of rows) {
        await inTransaction(this.#store, async (tx) => {
          const { rowCount } = await tx.query('insert into inbox (id) values ($1) on conflict do nothing', [message.id])
          if (rowCount === 1) await this.#handle(message, tx)
        })
        this.#onDone(message)
      }
      await claim.query('delete from queue where seq = any ($1)', [rows.map(({ seq }) => seq)])
      return rows.length
    })
  }
}

async function inTransaction<R>(pool: Pool, work: (tx: PoolClient) => Promise<R>): Promise<R> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
