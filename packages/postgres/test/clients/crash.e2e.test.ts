import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { eventually } from '@acuse/testing'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { crashClients } from './crash-clients.ts'

const script = fileURLToPath(new URL('crash-process.ts', import.meta.url))

it.each(Object.keys(crashClients))(
  '%s: a process killed before COMMIT leaves nothing behind, one killed after it leaves everything exactly once',
  async (client) => {
    const database = await createTestDatabase()
    onTestFinished(() => database[Symbol.asyncDispose]())
    await database.query('create table placed (n int primary key)')
    // No unique index: it would hide a message that is applied twice.
    await database.query('create table applied (n int)')
    const killed = (does: string, when: string | (() => Promise<void>)): Promise<void> =>
      runUntilKilled({ CLIENT: client, DATABASE_URL: database.url, DOES: does }, when)

    await killed('place-and-hang', 'placing')
    expect(await state(database)).toEqual({ placed: [], sent: 0, applied: [] })

    await killed('place', 'done')
    expect(await state(database)).toEqual({ placed: [1], sent: 1, applied: [] })

    await killed('apply-and-hang', 'applying')
    expect(await state(database)).toEqual({ placed: [1], sent: 1, applied: [] })

    await killed('apply', () => untilApplied(database, 1))
    expect(await state(database)).toEqual({ placed: [1], sent: 1, applied: [1] })

    // The next message of the key comes after the first, had that been applied again.
    await killed('apply-next', () => untilApplied(database, 2))
    expect(await state(database)).toEqual({ placed: [1, 2], sent: 2, applied: [1, 2] })
  },
)

/** Starts the process, waits for the line or the event, and kills it in the middle of what it does. */
async function runUntilKilled(
  env: Readonly<Record<string, string>>,
  when: string | (() => Promise<void>),
): Promise<void> {
  const child = spawn(process.execPath, ['--conditions=@acuse/source', script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const lines = createInterface({ input: child.stdout })
  try {
    const ended = exited.then(([code]: unknown[]) => {
      throw new Error(`the process ended (${String(code)}) by itself: ${errors}`)
    })
    const reached =
      typeof when === 'string'
        ? new Promise<void>((resolve) => lines.on('line', (line) => (line === when ? resolve() : undefined)))
        : when()
    await Promise.race([reached, ended])
  } finally {
    child.kill('SIGKILL')
    await exited
  }
}

/** What the database has once the killed process's backends are gone. */
async function state(database: TestDatabase): Promise<{ placed: number[]; sent: number; applied: number[] }> {
  await eventually(async () => {
    const [row] = await database.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
    expect(row?.n).toBe(0)
  })
  const numbers = async (table: string): Promise<number[]> =>
    (await database.query<{ n: number }>(`select n from ${table} order by n`)).map(({ n }) => n)
  const [log] = await database.query<{ n: number }>('select count(*)::int as n from acuse.log')
  return { placed: await numbers('placed'), sent: log?.n ?? 0, applied: await numbers('applied') }
}

async function untilApplied(database: TestDatabase, n: number): Promise<void> {
  await eventually(
    async () => expect(await database.query('select n from applied where n = $1', [n])).not.toEqual([]),
    { timeoutMs: 30_000 },
  )
}
