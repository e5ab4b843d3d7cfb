import { type Server, startKafka } from '@acuse-proof/servers'
import { type Bus, createBus, plainEnvelope, type StandardSchema, stream, systemClock } from '@acuse/core'
import { kafkaForwardTopic, kafkaTopic } from '@acuse/kafka'
import { createMemoryDatabase, eventually, type MemoryDatabase, memoryStore, type MemoryTx } from '@acuse/testing'
import { ConfigResourceTypes, Producer, stringSerializers } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { operator, testLines, unique } from './support.ts'

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

let server: Server
beforeAll(async () => {
  server = await startKafka({ lines: testLines })
})
afterAll(() => server[Symbol.asyncDispose]())

const patience = { timeoutMs: 30_000 }

async function started(declare: (bus: Bus<MemoryTx>) => void, database?: MemoryDatabase): Promise<Bus<MemoryTx>> {
  const store = memoryStore(database ?? createMemoryDatabase(systemClock))
  const bus = createBus<MemoryTx>({ service: 'shop', store, pollMs: 20 })
  declare(bus)
  await bus.start()
  onTestFinished(() => bus.stop())
  return bus
}

/** A topic of somebody else's, and what publishes there. */
async function theirTopic(): Promise<{
  readonly topic: string
  readonly send: (key: string, value: string) => Promise<number>
}> {
  const topic = unique('legacy')
  await operator(server.url).createTopics({ topics: [topic], partitions: 3, replicas: 1 })
  const producer = new Producer({
    clientId: 'theirs',
    bootstrapBrokers: [server.url],
    serializers: stringSerializers,
  })
  onTestFinished(() => producer.close())
  return {
    topic,
    send: async (key, value) => {
      const { offsets = [] } = await producer.send({ messages: [{ topic, key, value }] })
      return offsets[0]?.partition ?? -1
    },
  }
}

/** What an operator sees of it. */
async function settingsOf(topic: string): Promise<unknown> {
  const admin = operator(server.url)
  const configs = await admin.describeConfigs({
    resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }],
  })
  return { topics: await admin.listTopics(), configs }
}

it('a topic that Acuse did not declare is consumed in the order of its keys, each message once, and stays as it is', async () => {
  const { topic, send } = await theirTopic()
  const before = await settingsOf(topic)
  for (let n = 0; n < 30; n++) await send(`k${n % 3}`, JSON.stringify({ orderId: `k${n % 3}`, n }))
  await send('k0', '{not json')
  const group = unique('group')
  const database = createMemoryDatabase(systemClock)
  const seen: Numbered[] = []
  const declare = (bus: Bus<MemoryTx>): void => {
    const source = kafkaTopic(server.url, topic, { declare: 'never', acceptRisks: ['loss'] })
    bus.from(group, source, {}, { from: 'earliest' }).on(OrderPlaced, ({ data }) => void seen.push(data))
  }
  const bus = await started(declare, database)
  await eventually(() => expect(seen).toHaveLength(30), patience)
  for (const key of ['k0', 'k1', 'k2']) {
    const numbers = seen.filter(({ orderId }) => orderId === key).map(({ n }) => n)
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
  }
  const [letter] = await eventually(async () => {
    const letters = await bus.deadLetters.list()
    expect(letters).toHaveLength(1)
    return letters
  }, patience)
  expect(letter?.message.id).toMatch(new RegExp(`^${topic}-\\d-\\d+$`))
  expect(Buffer.from(letter?.message.body ?? []).toString()).toBe('{not json')
  await bus.stop()

  await send('k0', JSON.stringify({ orderId: 'k0', n: 30 }))
  await started(declare, database)
  await eventually(() => expect(seen).toHaveLength(31), patience)
  expect(seen.at(-1)?.n).toBe(30)
  expect(await settingsOf(topic)).toEqual(before)
})

it('a topic whose settings lose messages is refused by name; one that is not there is not made', async () => {
  const { topic } = await theirTopic()
  const refused = started((bus) => {
    bus.from(unique('group'), kafkaTopic(server.url, topic, { declare: 'never' })).on(OrderPlaced, () => undefined)
  })
  await expect(refused).rejects.toMatchObject({ code: 'ACUSE_UNSAFE_SETTING' })
  await expect(refused).rejects.toThrow(/1 replicas.*acceptRisks: \['loss'\]/s)
  const missing = unique('missing')
  const bus = await started((declared) => {
    declared
      .from(unique('group'), kafkaTopic(server.url, missing, { declare: 'never' }))
      .on(OrderPlaced, () => undefined)
  })
  expect((await bus.state()).connected).toBe(false)
  expect(await operator(server.url).listTopics()).not.toContain(missing)
})

/** As Kafka's own tests have the hash of each, without its sign. */
const murmur2OfJava: Readonly<Record<string, number>> = {
  '21': -973932308 & 0x7fffffff,
  foobar: -790332482 & 0x7fffffff,
  'a-little-bit-long-string': -985981536 & 0x7fffffff,
  'a-little-bit-longer-string': -1486304829 & 0x7fffffff,
  abc: 479470107 & 0x7fffffff,
}
const keys = Object.keys(murmur2OfJava)

it('a topic that others read gets what is published, where their own clients put its key', async () => {
  const { topic } = await theirTopic()
  const seen: { readonly id: string; readonly key: string | null; readonly n: number }[] = []
  const bus = await started((declared) => {
    declared.forward('to-others', [OrderPlaced], kafkaForwardTopic(server.url, topic, { codec: plainEnvelope() }))
  })
  await started((declared) => {
    const source = kafkaTopic(server.url, topic, { declare: 'never', acceptRisks: ['loss'] })
    declared
      .from(unique('group'), source, { codec: plainEnvelope(), id: ({ id }) => id ?? '' }, { from: 'earliest' })
      .on(OrderPlaced, ({ id, key, data }) => void seen.push({ id, key, n: data.n }))
  })
  for (let n = 0; n < 30; n++) await bus.publishNow(OrderPlaced({ orderId: keys[n % keys.length] ?? '', n }))
  await eventually(() => expect(seen).toHaveLength(30), patience)
  for (const key of keys) {
    const ofKey = seen.filter((one) => one.key === key)
    const numbers = ofKey.map(({ n }) => n)
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    const partition = (murmur2OfJava[key] ?? -1) % 3
    expect(ofKey.map(({ id }) => id.startsWith(`${topic}-${partition}-`))).not.toContain(false)
  }
})
