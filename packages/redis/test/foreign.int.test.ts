import { type Server, startRedis } from '@acuse-proof/servers'
import { type Bus, createBus, plainEnvelope, type StandardSchema, stream, systemClock } from '@acuse/core'
import { redisForwardStream, redisStream, type RedisStreamOptions } from '@acuse/redis'
import { createMemoryDatabase, eventually, memoryStore, type MemoryTx } from '@acuse/testing'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { operator, uniqueName } from './opened.ts'

interface Numbered {
  readonly orderId: string
  readonly n: number
}

const schema: StandardSchema<Numbered> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'orderId' in value && 'n' in value
        ? { value: value as Numbered }
        : { issues: [{ message: 'expected an order', path: ['orderId'] }] },
  },
}
const OrderPlaced = stream('orders').message('order.placed', { schema, key: ({ orderId }) => orderId })
const shared: RedisStreamOptions = { declare: 'never', acceptRisks: ['order'] }

async function started(declare: (bus: Bus<MemoryTx>) => void): Promise<Bus<MemoryTx>> {
  const store = memoryStore(createMemoryDatabase(systemClock))
  const bus = createBus<MemoryTx>({ service: 'shop', store, pollMs: 20 })
  declare(bus)
  await bus.start()
  onTestFinished(() => bus.stop())
  return bus
}

async function theirStream(client: Redis): Promise<string> {
  const key = uniqueName('theirs')
  await client.xgroup('CREATE', key, 'reads', '$', 'MKSTREAM')
  return key
}

async function pendingOf(client: Redis, key: string): Promise<number> {
  const [count] = await client.xpending(key, 'reads')
  return Number(count)
}

describe.each(['7.0', '8.0'] as const)('a stream of others, on Redis %s', (release) => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis({ release, lines: ['appendfsync always'] })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('is consumed, each message once, what cannot be read is a dead letter, and it stays as it is', async () => {
    const client = operator(server.url)
    const key = await theirStream(client)
    const seen: string[] = []
    const bus = await started((declared) => {
      declared
        .from('legacy', redisStream(server.url, key, 'reads', shared), { id: ({ id }) => id ?? '' })
        .on(OrderPlaced, ({ data, id }) => void seen.push(`${data.n} ${id.startsWith(key)}`))
    })
    for (let n = 0; n < 20; n++) await client.xadd(key, '*', 'data', JSON.stringify({ orderId: 'A', n }), 'by', 'them')
    await client.xadd(key, '*', 'data', '{not json', 'by', 'them')
    await eventually(() => expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => `${n} true`)))
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    expect(letter?.message.headers['by']).toBe('them')
    expect(Buffer.from(letter?.message.body ?? []).toString()).toBe('{not json')
    await eventually(async () => expect(await pendingOf(client, key)).toBe(0))
    expect(await client.xlen(key), 'nothing is trimmed').toBe(21)
    expect(await client.xinfo('GROUPS', key)).toHaveLength(1)
  })

  it('what a consumer of theirs left without a sign of life is taken over; what is being worked on is not', async () => {
    const client = operator(server.url)
    const key = await theirStream(client)
    await client.xadd(key, '*', 'data', JSON.stringify({ orderId: 'A', n: 1 }))
    await client.xreadgroup('GROUP', 'reads', 'theirs', 'COUNT', 1, 'STREAMS', key, '>')
    const begun: number[] = []
    const done = Promise.withResolvers<void>()
    for (const name of ['one', 'two']) {
      await started((declared) => {
        const source = redisStream(server.url, key, 'reads', { ...shared, claimAfterMs: 300 })
        declared.from(name, source).on(OrderPlaced, ({ data }) => {
          begun.push(data.n)
          return data.n === 2 ? done.promise : undefined
        })
      })
    }
    await eventually(() => expect(begun).toEqual([1]))
    await client.xadd(key, '*', 'data', JSON.stringify({ orderId: 'A', n: 2 }))
    await eventually(() => expect(begun).toEqual([1, 2]))
    const untilMs = Date.now() + 1_000
    await eventually(() => expect(Date.now()).toBeGreaterThan(untilMs))
    expect(begun).toEqual([1, 2])
    done.resolve()
    await eventually(async () => expect(await pendingOf(client, key)).toBe(0))
  })

  it('the risks are refused by name', async () => {
    expect(() => redisStream(server.url, 'theirs', 'reads', { declare: 'never', acceptRisks: [] })).toThrow(
      /acceptRisks: \['order'\]/,
    )
    const client = operator(server.url)
    const key = await theirStream(client)
    await client.config('SET', 'appendonly', 'no')
    const refused = started((declared) => {
      declared.from('legacy', redisStream(server.url, key, 'reads', shared)).on(OrderPlaced, () => undefined)
    })
    await expect(refused).rejects.toThrow(/appendonly is no.*acceptRisks: \['loss'\]/s)
    await started((declared) => {
      const source = redisStream(server.url, key, 'reads', { declare: 'never', acceptRisks: ['order', 'loss'] })
      declared.from('legacy', source).on(OrderPlaced, () => undefined)
    })
    await client.config('SET', 'appendonly', 'yes')
  })

  it('a stream that others read gets what is published, in order', async () => {
    const client = operator(server.url)
    const key = await theirStream(client)
    const bus = await started((declared) => {
      declared.forward('to-theirs', [OrderPlaced], redisForwardStream(server.url, key, { codec: plainEnvelope() }))
    })
    for (let n = 0; n < 10; n++) await bus.publishNow(OrderPlaced({ orderId: 'A', n }))
    await eventually(async () => expect(await client.xlen(key)).toBe(10))
    const entries = await client.xrange(key, '-', '+')
    const numbers = entries.map(([, fields]) => {
      const body = fields[fields.indexOf('data') + 1] ?? ''
      return (JSON.parse(body) as { readonly data: Numbered }).data.n
    })
    expect(numbers).toEqual(Array.from({ length: 10 }, (_, n) => n))
  })
})
