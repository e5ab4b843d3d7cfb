import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startRabbitMq } from '@acuse-proof/servers'
import { createBus, stream } from '@acuse/core'
import { migrate, pg } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { Client, Pool } from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { shopWith, type Vault } from '../examples/operating/credentials.ts'
import { databaseFor } from './example-database.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const roles = 'examples/operating/roles.sql'
const afterMigrating = 'examples/operating/after-migrating.sql'
const page = 'docs/guides/operating.md'

const Ping = stream('pings').message('ping', { schema: z.object({ n: z.int() }), key: () => 'one' })

async function run(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function as(role: string, password: string, url: string): string {
  const other = new URL(url)
  other.username = role
  other.password = password
  return other.href
}

test('a role without DDL publishes, consumes, retries, schedules and turns the ring', async () => {
  const url = await databaseFor('roles', inject('adminUrl'))
  onTestFinished(() =>
    run(
      url,
      'drop owned by shop_service cascade; drop owned by shop_owner cascade; drop role shop_service, shop_owner',
    ),
  )
  await run(url, read(roles))
  const owner = as('shop_owner', 'change me', url)
  await migrate(owner)
  await run(owner, read(afterMigrating))

  const pool = new Pool({ connectionString: as('shop_service', 'change me too', url), max: 20 })
  onTestFinished(() => pool.end())
  const errors: string[] = []
  const bus = createBus({
    service: 'shop',
    store: pg(pool, { migrate: 'verify', log: { retentionMs: 300, rotateAfterMs: 100 } }),
    onError: (error) => errors.push(error.message),
  })
  const applied: number[] = []
  bus.group({ retry: () => ({ retryInMs: 10 }) }).on(Ping, ({ data }, { attempt }) => {
    if (attempt === 1) throw new Error('once')
    applied.push(data.n)
  })
  bus.cron('hourly', '0 * * * *', () => Ping({ n: 0 }))
  await bus.start()
  onTestFinished(() => bus.stop())
  await bus.publishNow(Ping({ n: 1 }))
  await bus.publishNow(Ping({ n: 2 }), { deliverAfterMs: 20 })
  await eventually(() => expect(applied).toEqual([1, 2]))
  await eventually(
    async () => {
      const { rows } = await pool.query('select count(*)::int as left from acuse.log')
      expect(rows).toEqual([{ left: 0 }])
    },
    { timeoutMs: 20_000 },
  )
  expect(await bus.deadLetters.replay({ group: 'shop' })).toBe(0)
  expect(errors).toEqual([])
  await expect(pool.query('create table acuse.more (id int)')).rejects.toThrow('permission denied')
})

test('a service that asks a vault for its passwords says none of them in its addresses', async () => {
  const { hostname, port, pathname, username, password } = new URL(await databaseFor('vault', inject('adminUrl')))
  const asked = new Set<string>()
  const vault: Vault = {
    async read(name) {
      asked.add(name)
      return { username, password: decodeURIComponent(password) }
    },
  }
  const database = { host: hostname, port: Number(port), database: pathname.slice(1), user: username }
  await using server = await startRabbitMq({ release: '4.0' })
  await server.rabbitmqctl(['add_user', username, decodeURIComponent(password)])
  await server.rabbitmqctl(['set_permissions', username, '.*', '.*', '.*'])
  const { bus, pool } = shopWith(vault, database, `amqp://127.0.0.1:${server.port}`)
  const applied: number[] = []
  bus.group().on(Ping, ({ data }) => void applied.push(data.n))
  await bus.start()
  await bus.publishNow(Ping({ n: 1 }))
  await eventually(() => expect(applied).toEqual([1]), { timeoutMs: 20_000 })
  expect([...asked].toSorted()).toEqual(['broker', 'database'])
  await bus.stop()
  await pool.end()
})

test('the page shows these files, and each of its queries runs', async () => {
  const text = read(page)
  for (const file of [roles, afterMigrating]) expect(text).toContain(`\`\`\`sql\n${read(file)}\`\`\``)
  const url = await databaseFor('queries', inject('adminUrl'))
  await migrate(url)
  const blocks = [...text.matchAll(/^```sql\n(?<sql>[\s\S]*?)^```$/gm)].map(({ groups }) => groups?.['sql'] ?? '')
  const queries = blocks.filter((sql) => sql.startsWith('select') || sql.startsWith('with'))
  expect(queries.length).toBeGreaterThanOrEqual(4)
  for (const query of queries) await run(url, query)
})
