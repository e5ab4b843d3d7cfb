import { createBus, deadLetter, drainOnSignals, exponential, listen, type Outcome } from '@acuse/core'
import { type MigrateMode, pg } from '@acuse/postgres'
import { armCrashPoints } from '@acuse/testing'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool, type PoolClient } from 'pg'
import { type Doing, Item } from './item.ts'

/**
 * A process of the fault tests, told by its environment what to do:
 * ROLE=publisher writes COUNT items in transactions of its own, a part of which roll back (ROLLBACK_RATE);
 * ROLE=consumer applies items until SIGTERM. CRASH_AT=point:n ends it at the n-th passing of a crash point.
 * BEGUN=1 notes each beginning of a handler outside its transaction; HEALED=1 does nothing of what a message asks for;
 * MIGRATE is what it does about migrations; NOTIFY=outside wakes readers after the commit;
 * DIE_AFTER_DEATH=0.1 ends it after a tenth of the dead letters that it writes, before anything is acked.
 */
armCrashPoints()

const setting = (name: string, otherwise: string): string => process.env[name] ?? otherwise
const pool = new Pool({ connectionString: setting('DATABASE_URL', ''), max: 8 })
pool.on('error', () => undefined)
const leaseMs = Number(setting('LEASE_MS', '2000'))
const migrate = setting('MIGRATE', 'auto') as MigrateMode
const notifyInTransaction = setting('NOTIFY', 'inside') === 'inside'
const bus = createBus({ service: 'worker', store: pg(pool, { migrate, log: { leaseMs, notifyInTransaction } }) })

const sayLine = (what: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify(what)}\n`)

async function consume(): Promise<void> {
  const handlerMs = Number(setting('HANDLER_MS', '0'))
  const failRate = Number(setting('FAIL_RATE', '0'))
  const dieAfterDeath = Number(setting('DIE_AFTER_DEATH', '0'))
  const notesBegun = setting('BEGUN', '') !== ''
  const healed = setting('HEALED', '') !== ''
  bus
    .group('effects', {
      from: 'earliest',
      concurrency: 4,
      leaseMs,
      retry: exponential({ attempts: 4, baseMs: 20, maxMs: 100 }),
    })
    .on(Item, async ({ id, data }, { tx, attempt }) => {
      if (notesBegun) await pool.query('insert into begun(message) values ($1)', [id])
      if (handlerMs > 0) await pause(handlerMs)
      await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
      const outcome = healed ? undefined : await misbehave(data.does, attempt)
      if (attempt < 3 && Math.random() < failRate) throw new Error('a failure that passes')
      return outcome
    })
  listen('dead', () => {
    if (Math.random() < dieAfterDeath) process.kill(process.pid, 'SIGKILL')
  })
  await bus.start()
  drainOnSignals(bus, { deadlineMs: 10_000 })
  sayLine({ ready: true })
}

/** What the message asks for. */
async function misbehave(does: Doing | undefined, attempt: number): Promise<Outcome | void> {
  if (does === 'stumble') {
    if (attempt < 3) throw new Error('the first two attempts fail')
    return
  }
  if (does === 'refuse') return deadLetter('refused')
  if (does === 'throw') throw new Error('poison')
  if (does === 'kill') process.kill(process.pid, 'SIGKILL')
  if (does === 'reject') void Promise.reject(new Error('nobody awaits this'))
  if (does === 'hog') for (const hoard: unknown[] = []; ;) hoard.push(Array.from({ length: 100_000 }, () => ({})))
  if (does !== undefined) await pause(5_000)
}

async function publish(): Promise<void> {
  await bus.start()
  sayLine({ ready: true })
  const rollbackRate = Number(setting('ROLLBACK_RATE', '0'))
  const first = Number(setting('FIRST', '0'))
  const count = Number(setting('COUNT', '100'))
  const keys = Number(setting('KEYS', '5'))
  const key = setting('KEY', 'k')
  for (let n = first; n < first + count; n++) await writeOne(`${key}${n % keys}`, n, Math.random() < rollbackRate)
  await bus.stop()
  await pool.end()
  sayLine({ done: true })
}

/** The business row and the message in one transaction; `wanted` is what commits, by the database itself. */
async function writeOne(key: string, n: number, rollback: boolean): Promise<void> {
  const client: PoolClient = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into wanted(key, n) values ($1, $2)', [key, n])
    await bus.publish(client, Item({ key, n }))
    await client.query(rollback ? 'rollback' : 'commit')
  } finally {
    client.release()
  }
}

await (setting('ROLE', 'consumer') === 'publisher' ? publish() : consume())
