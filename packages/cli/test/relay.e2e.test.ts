import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '@acuse/testing'
import { expect, onTestFinished, test } from 'vitest'
import { acuse, startAcuse } from './acuse.ts'
import { createTestDatabase, onServer } from './database.ts'
import { OrderPlaced, startBilling, startService } from './orders.ts'

const fileTransport = fileURLToPath(new URL('fixtures/file-transport.ts', import.meta.url))

test('a relay of its own sends a log to another database, and drains on SIGTERM', async () => {
  const [shop, broker] = [await createTestDatabase(), await createTestDatabase()]
  const billed: string[] = []
  const billing = await startBilling(broker, () => false, billed)
  const orders = await startService('orders', shop)
  for (let n = 0; n < 50; n++) await orders.publishNow(OrderPlaced({ orderId: `order-${n}` }))

  const relay = startAcuse(['relay', '--transport', broker.url, '--json'], { DATABASE_URL: shop.url })
  const started = JSON.parse(await relay.line((line) => line.includes('"started"'))) as Record<string, string>
  expect(started).toMatchObject({ event: 'started' })
  await eventually(() => expect(billed).toHaveLength(50), { timeoutMs: 20_000 })
  await orders.publishNow(OrderPlaced({ orderId: 'last' }))
  await eventually(() => expect(billed).toContain('last'), { timeoutMs: 20_000 })

  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(0)
  expect(relay.errors()).toEqual([])
  const events = relay.output().map((line) => JSON.parse(line) as { event: string; delivered?: number })
  expect(events.at(-1)).toMatchObject({ event: 'stopped', delivered: 51, refused: 0 })

  // It let go in order: the next one goes on where it stopped, and sends nothing twice.
  const next = startAcuse(['relay', '--transport', broker.url], { DATABASE_URL: shop.url })
  await next.line((line) => line.includes('Relaying'))
  await orders.publishNow(OrderPlaced({ orderId: 'after' }))
  await eventually(() => expect(billed).toContain('after'), { timeoutMs: 20_000 })
  next.child.kill('SIGTERM')
  expect(await next.exited).toBe(0)
  expect(next.output().at(-1)).toMatch(/Stopped after 1 message\.$/)
  expect(billed).toHaveLength(52)
  await billing.stop()
})

test('a relay waits for a database that is not there yet, and stops when it is told to', async () => {
  const relay = startAcuse(['relay', '--transport', fileTransport, '--store', 'postgres://nobody@127.0.0.1:1/none'])
  await eventually(() => expect(relay.errors().join('\n')).toContain('ACUSE_STORE_UNAVAILABLE'), { timeoutMs: 20_000 })
  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(0)
  expect(relay.output().join('\n')).not.toContain('Relaying')
})

test('a relay whose passwords are in a file goes on with the new ones when they change', async () => {
  const [shop, broker] = [await createTestDatabase(), await createTestDatabase()]
  const role = new URL(shop.url).pathname.slice(1)
  await onServer(`create role ${role} superuser login password 'first-canary'`)
  onTestFinished(() => onServer(`drop role ${role}`))
  const folder = await mkdtemp(join(tmpdir(), 'acuse-relay-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const passwords = join(folder, 'pgpass')
  const keep = (password: string): Promise<void> => writeFile(passwords, `*:*:*:${role}:${password}\n`, { mode: 0o600 })
  await keep('first-canary')
  const billed: string[] = []
  await startBilling(broker, () => false, billed)
  const orders = await startService('orders', shop)
  await orders.publishNow(OrderPlaced({ orderId: 'one' }))

  const relay = startAcuse(['relay', '--store', asRole(shop.url, role), '--transport', asRole(broker.url, role)], {
    PGPASSFILE: passwords,
  })
  await eventually(() => expect(billed).toEqual(['one']), { timeoutMs: 20_000 })
  await onServer(`alter role ${role} password 'second-canary'`)
  await onServer(`select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = '${role}'`)
  await orders.publishNow(OrderPlaced({ orderId: 'two' }))
  await eventually(() => expect(relay.errors().join('\n')).toMatch(/password authentication failed/), {
    timeoutMs: 20_000,
  })
  expect(billed).toEqual(['one'])
  await keep('second-canary')
  await eventually(() => expect(billed).toEqual(['one', 'two']), { timeoutMs: 20_000 })
  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(0)
  expect([...relay.output(), ...relay.errors()].join('\n')).not.toContain('canary')
})

/** The address without a password, for somebody else. */
function asRole(url: string, role: string): string {
  return Object.assign(new URL(url), { username: role, password: '' }).href
}

test('a relay sends to a transport of your own', async () => {
  const shop = await createTestDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'acuse-relay-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const letters = join(folder, 'letters')
  const orders = await startService('orders', shop)
  const published = await orders.publishNow(OrderPlaced({ orderId: 'one' }))

  const relay = startAcuse(['relay', '--transport', fileTransport, '--store', shop.url], { LETTERS: letters })
  expect(await relay.line((line) => line.includes('Relaying'))).toContain(`to ${fileTransport}.`)
  await eventually(async () => expect(await readFile(letters, 'utf8')).toBe(`${published.id}\n`), { timeoutMs: 20_000 })
  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(0)
})

test('a relay that could never work says why and ends', async () => {
  const shop = await createTestDatabase()
  const none = await createTestDatabase()
  await startService('orders', shop)
  const ends = async (transport: string, says: string, store = shop.url): Promise<void> => {
    const { exitCode, errors } = await acuse(['relay', '--transport', transport, '--store', store])
    expect(errors).toContain(says)
    expect(exitCode).toBe(1)
  }
  await ends(shop.url, 'is the log of --store itself')
  await ends('mqtt://user:secret@localhost', '--transport mqtt://… is none this command knows')
  await ends('./no-such-module.ts', 'cannot be loaded')
  await ends(fileURLToPath(new URL('acuse.ts', import.meta.url)), 'exports no `transport`')
  await ends(fileTransport, 'ACUSE_MIGRATION_PENDING', none.url)
  expect(await acuse(['relay', '--store', shop.url])).toMatchObject({ exitCode: 2 })
})
