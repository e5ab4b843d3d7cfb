import { inspect } from 'node:util'
import { type AcuseError, createBus, stream } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { testCredentials, uniqueName } from '@acuse/testing/conformance'
import { Pool, type PoolConfig } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, onServer, runUrl, type TestDatabase } from './database.ts'
import { storeContext } from './store/store-fixture.ts'

const Ordered = stream('orders').message('ordered', { schema: z.object({ n: z.int() }), key: () => 'one' })
const firstPassword = 'first-canary'
const secondPassword = 'second-canary'

/** A role of a test's own, with a database of its own. */
interface Owner extends AsyncDisposable {
  readonly role: string
  readonly database: TestDatabase
  /** How to connect as it, with a password that is asked for. */
  connection(password: () => string | Promise<string>): PoolConfig
  change(password: string): Promise<void>
}

async function owner(): Promise<Owner> {
  const role = uniqueName('shop')
  await onServer(`create role "${role}" login password '${firstPassword}'`)
  const database = await createTestDatabase(`owner "${role}"`)
  const { hostname, port } = new URL(runUrl)
  return {
    role,
    database,
    connection: (password) => ({
      ...{ host: hostname, port: Number(port), database: database.name, user: role, password },
    }),
    async change(password) {
      await onServer(`alter role "${role}" password '${password}'`)
      await onServer(`select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = '${role}'`)
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await onServer(`drop role "${role}"`)
    },
  }
}

testCredentials('PostgreSQL', async () => {
  const one = await owner()
  return {
    user: { username: one.role, password: firstPassword },
    open: (credentials) =>
      postgres({ connection: one.connection(async () => (await credentials()).password), pollMaxMs: 200 }),
    change: (password) => one.change(password),
    dispose: async () => one[Symbol.asyncDispose](),
  }
})

it('a store whose password is rotated comes back with the new one on all its connections, and loses, doubles and reorders nothing', async () => {
  const one = await owner()
  onTestFinished(() => one[Symbol.asyncDispose]())
  let given = firstPassword
  const pool = new Pool({ ...one.connection(() => given), max: 12 })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  await pool.query('create table effects (seq bigint generated always as identity, n int)')
  const errors: AcuseError[] = []
  // Only the connection that listens finds messages in time.
  const store = pg(pool, { log: { leaseMs: 2_000, pollMaxMs: 5_000 } })
  const bus = createBus({ service: 'shop', store, onError: (error) => void errors.push(error) })
  bus
    .group()
    .on(Ordered, async ({ data }, { tx }) => void (await tx.query('insert into effects (n) values ($1)', [data.n])))
  await bus.start()
  onTestFinished(() => bus.stop({ deadlineMs: 5_000 }))

  for (let n = 1; n <= 3; n++) await bus.publishNow(Ordered({ n }))
  await one.change(secondPassword)
  await eventually(() => expect(bus.publishNow(Ordered({ n: 0 }))).rejects.toThrow(/password authentication failed/))
  await eventually(() =>
    expect(errors.map(({ message }) => message)).toContainEqual(expect.stringMatching(/refuses the credentials/)),
  )
  given = secondPassword
  for (let n = 4; n <= 20; n++) await bus.publishNow(Ordered({ n }))
  await eventually(
    async () => {
      const { rows } = await pool.query<{ n: number }>('select n from effects order by seq')
      expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    },
    { timeoutMs: 30_000 },
  )
  await eventually(
    async () =>
      expect(
        await one.database.query(
          `select count(*)::int as listening from pg_stat_activity where usename = '${one.role}' and query like 'listen %'`,
        ),
      ).toEqual([{ listening: 1 }]),
    { timeoutMs: 10_000 },
  )
  const shown = inspect(errors, { depth: Infinity, showHidden: true })
  for (const secret of [firstPassword, secondPassword]) expect(shown).not.toContain(secret)
})

// The server waits for a password for a minute, and what ends a database waits for whoever is connecting.
it('a password that cannot be had leaves no connection behind', { timeout: 20_000 }, async () => {
  const one = await owner()
  const sealed = (): never => {
    throw new Error('the vault is sealed')
  }
  await expect(postgres({ connection: one.connection(sealed) })(storeContext())).rejects.toMatchObject({
    code: 'ACUSE_TRANSPORT_UNAVAILABLE',
    message: expect.stringContaining('the vault is sealed'),
  })
  await one[Symbol.asyncDispose]()
})
