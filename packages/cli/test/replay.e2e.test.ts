import { eventually } from '@acuse/testing'
import { expect, test } from 'vitest'
import { acuse, startAcuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'
import { OrderPlaced, startBilling } from './orders.ts'

test('history is counted, replayed to a running group, and run again only where that is said', async () => {
  const database = await createTestDatabase()
  const billed: string[] = []
  const bus = await startBilling(database, () => false, billed)
  for (const orderId of ['one', 'two', 'three']) await bus.publishNow(OrderPlaced({ orderId }))
  await eventually(() => expect(billed).toHaveLength(3))
  const replay = (...words: string[]): ReturnType<typeof acuse> =>
    acuse(['replay', '--group', 'billing', '--stream', 'orders', '--type', 'order.placed', ...words], {
      DATABASE_URL: database.url,
    })

  const dry = await replay('--dry-run')
  expect(dry).toMatchObject({ exitCode: 0, errors: '' })
  expect(dry.output).toMatch(
    /^3 messages, published from 20.* to 20.*; billing has taken 3 of them. A replay would run 0.$/,
  )
  const count: unknown = JSON.parse((await replay('--dry-run', '--key', 'two', '--again', '--json')).output)
  expect(count).toMatchObject({ matching: 1, known: 1 })

  const known = await replay()
  expect(known).toMatchObject({ exitCode: 0, output: 'Replaying 0 messages to billing; passed over 3.' })
  const again: unknown = JSON.parse((await replay('--key', 'two', '--again', '--json')).output)
  expect(again).toMatchObject({ taken: 1, skipped: 0, done: true, position: expect.any(String) })
  await eventually(() => expect(billed.filter((orderId) => orderId === 'two')).toHaveLength(2))
  expect(billed).toHaveLength(4)
  expect((await replay('--dry-run', '--from', new Date().toISOString())).output).toBe('Nothing in the log matches.')

  expect(await replay('--from', '2020-01-01T00:00:00Z')).toMatchObject({
    exitCode: 1,
    errors: expect.stringContaining('ACUSE_HISTORY_GONE'),
  })
  expect(await replay('--from', 'yesterday')).toMatchObject({ exitCode: 2, errors: expect.stringContaining('moment') })
  const elsewhere = await replay('--group', 'nobody')
  expect(elsewhere).toMatchObject({ exitCode: 1, errors: expect.stringContaining('There is no group nobody') })
})

test('a replay that is cancelled says from where it can go on', async () => {
  const database = await createTestDatabase()
  const billed: string[] = []
  const bus = await startBilling(database, () => false, billed)
  await bus.transaction(async (_tx, publish) => {
    for (let n = 0; n < 40; n++) publish(OrderPlaced({ orderId: `order-${n}` }))
  })
  await eventually(() => expect(billed).toHaveLength(40), { timeoutMs: 20_000 })
  // Nobody runs what is parked: the replay waits for room.
  await bus.stop()
  const words = ['replay', '--group', 'billing', '--stream', 'orders', '--type', 'order.placed', '--again', '--json']
  const environment = { DATABASE_URL: database.url }
  const running = startAcuse([...words, '--most', '20'], environment)
  await eventually(() => expect(running.errors().at(-1)).toBe('20 taken, 0 passed over'), { timeoutMs: 20_000 })
  running.child.kill('SIGINT')
  expect(await running.exited).toBe(0)
  const cancelled = JSON.parse(running.output().join('\n')) as { taken: number; done: boolean; position: string }
  expect(cancelled).toMatchObject({ taken: 20, done: false })

  await startBilling(database, () => false, billed)
  const rest = await acuse([...words, '--after', cancelled.position], environment)
  expect(JSON.parse(rest.output)).toMatchObject({ taken: 20, done: true })
  await eventually(() => expect(billed).toHaveLength(80), { timeoutMs: 20_000 })
  expect(new Set(billed).size).toBe(40)
})
