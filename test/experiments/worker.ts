import { type Bus, createBus, drainOnSignals, exponential, saga, type Saga } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { fromWhatIsKept, transportAt } from '@acuse/transports'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { Item } from '../processes/item.ts'
import { countInFlight } from './in-flight.ts'
import { Begun, Bulk, Charged, Counted, Owned, Summed } from './messages.ts'

/**
 * A consuming process of the experiments, told by its environment what to do: ROLE is what it consumes.
 * Each line that it prints is JSON.
 */
const setting = (name: string, otherwise: string): string => process.env[name] ?? otherwise
const number = (name: string, otherwise: number): number => Number(setting(name, String(otherwise)))
const say = (what: Readonly<Record<string, unknown>>): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

const pool = new Pool({ connectionString: setting('DATABASE_URL', ''), max: 32 })
pool.on('error', () => undefined)
const leaseMs = number('LEASE_MS', 2_000)
const quick = exponential({ attempts: 5, baseMs: 50, maxMs: 1_000 })
const inFlight = countInFlight(pg(pool, { log: { leaseMs } }))
const transportUrl = setting('TRANSPORT_URL', '')
const bus = createBus({
  service: 'worker',
  store: inFlight.store,
  pollMs: 200,
  // Whoever publishes relays too, from the same log.
  ...(transportUrl === '' ? {} : { transport: fromWhatIsKept(transportAt(transportUrl)), relay: 'elsewhere' }),
})

const roles: Readonly<Record<string, (on: Bus<PoolClient>) => void>> = {
  bulk: consumeBulk,
  items: consumeItems,
  timeouts: (on) =>
    on.saga(waiting(), {
      from: 'earliest',
      leaseMs,
      // Commits with the effect: a timeout that has fired has exactly one row.
      async inTransaction(message, { tx }) {
        if (message.type !== 'acuse.saga.timeout') return
        await tx.query('insert into fired(message, at) values ($1, clock_timestamp())', [message.id])
      },
    }),
  sums: consumeSums,
  tenants: consumeOwned,
}

roles[setting('ROLE', '')]?.(bus)
await bus.start()
drainOnSignals(bus, { deadlineMs: 10_000 })
say({ ready: true })
if (setting('ROLE', '') === 'bulk') setInterval(() => say({ mostInFlight: inFlight.most() }), 200).unref()

/** Slow until it is told by SIGUSR2 that it need not be any more. */
function consumeBulk(on: Bus<PoolClient>): void {
  let handlerMs = number('HANDLER_MS', 0)
  process.on('SIGUSR2', () => (handlerMs = 0))
  on.group('bulk', { from: 'earliest', concurrency: 8, leaseMs, prefetch: number('PREFETCH', 256) }).on(
    Bulk,
    async ({ id, data }, { tx }) => {
      if (handlerMs > 0) await pause(handlerMs)
      await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
    },
  )
}

function consumeItems(on: Bus<PoolClient>): void {
  on.group('effects', { from: 'earliest', leaseMs, retry: quick }).on(Item, async ({ id, data }, { tx }) => {
    await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
  })
}

function waiting(): Saga<{ readonly fired: number }> {
  return saga('waiting', () => ({ fired: 0 }))
    .on(Begun, { id: ({ data }) => data.id, starts: true }, (_state, { data }) => ({ timeouts: { over: data.waitMs } }))
    .onTimeout('over', ({ fired }) => ({ state: { fired: fired + 1 }, complete: true }))
}

function consumeSums(on: Bus<PoolClient>): void {
  const adding = saga('adding', () => ({ seen: 0, total: 0, owners: [] as string[] })).on(
    Counted,
    { id: ({ data }) => data.id, starts: true },
    (state, { data }) => {
      const { seen, total, owners } = state
      const next = { seen: seen + 1, total: total + data.amount, owners: [...new Set([...owners, data.owner])] }
      if (next.seen < data.of) return { state: next }
      return { state: next, publish: [Summed({ id: data.id, total: next.total, owners: next.owners })] }
    },
  )
  on.saga(adding, { from: 'earliest', leaseMs, concurrency: 10, retry: quick })
  on.group('sums', { from: 'earliest', leaseMs }).on(Summed, async ({ data, tenant }, { tx }) => {
    await tx.query('insert into sums(id, tenant, total, owners) values ($1, $2, $3, $4)', [
      data.id,
      tenant,
      data.total,
      data.owners,
    ])
  })
}

function consumeOwned(on: Bus<PoolClient>): void {
  consumeSums(on)
  on.group('owned', { from: 'earliest', leaseMs, retry: quick })
    .on(Owned, async ({ id, data, tenant, key }, { tx }) => {
      if (data.poison) throw new Error('poison')
      await tx.query('insert into owned(message, tenant, owner, key, n) values ($1, $2, $3, $4, $5)', [
        id,
        tenant,
        data.owner,
        key,
        data.n,
      ])
    })
    .onExternal(Charged, async ({ data }, { idempotencyKey }) => {
      // A world that honours the key, and so forgets the second of two charges that have the same one.
      await pool.query(
        'insert into charges(idempotency_key, owner, n) values ($1, $2, $3) on conflict (idempotency_key) do nothing',
        [idempotencyKey, data.owner, data.n],
      )
    })
}
