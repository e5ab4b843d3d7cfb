import { freePort, type Server, startKafka } from '@acuse-proof/servers'
import { startFaultProxy } from '@acuse/testing'
import {
  ConfigResourceTypes,
  ConnectionPool,
  fetchV17,
  metadataV12,
  NumericMap,
  Producer,
  produceV11,
} from '@platformatic/kafka'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { messageOf, open, operator, partitions, sourceOf, Taker, testLines, unique } from './support.ts'

let server: Server
const proxied = {
  name: 'PROXIED',
  protocol: 'PLAINTEXT',
  port: await freePort(),
  advertisedPort: await freePort(),
} as const
beforeAll(async () => {
  server = await startKafka({ lines: testLines, listeners: [proxied] })
})
afterAll(() => server[Symbol.asyncDispose]())

const patience = { timeout: 30_000, interval: 20 }
const confirmed = (): AbortSignal => AbortSignal.timeout(30_000)

it.each(['consumer', 'classic'] as const)(
  'two consumers of a group both get partitions, by the protocol %s',
  async (groupProtocol) => {
    const stream = unique('stream')
    const source = sourceOf(stream)
    const takers = [new Taker(), new Taker()]
    const { transport } = await open(server.url, { groupProtocol })
    for (const taker of takers) {
      const other = await open(server.url, { groupProtocol })
      await other.transport.consume(source, taker)
    }
    await vi.waitFor(async () => {
      const batch = Array.from({ length: 64 }, (_, index) => messageOf(stream, `k${index}`))
      const ids = new Set(batch.map(({ id }) => id))
      await transport.publish(batch, confirmed())
      // Of this batch alone: what came before the second one had joined is all with the first.
      const taken = (): Taker['deliveries'][] =>
        takers.map(({ deliveries }) => deliveries.filter(({ message }) => ids.has(message.id)))
      await vi.waitFor(() => expect(taken().flat().length).toBeGreaterThanOrEqual(batch.length), patience)
      const [one, two] = taken().map((deliveries) => new Set(deliveries.map(({ partition }) => partition)))
      expect([one?.size, two?.size]).not.toContain(0)
      expect([...(one ?? [])].filter((name) => two?.has(name))).toEqual([])
    }, patience)
  },
)

it('a partition whose next message was deleted is read no further, and the error says what to do', async () => {
  const stream = unique('stream')
  const source = sourceOf(stream, { streams: [{ name: stream, partitions: 1 }] })
  const messages = (labels: readonly string[]) => labels.map((label) => messageOf(stream, label, { partitions: 1 }))
  const { transport, errors } = await open(server.url)
  const first = new Taker()
  const subscription = await transport.consume(source, first)
  await transport.publish(messages(['a1', 'a2']), confirmed())
  await vi.waitFor(() => expect(first.labels).toEqual(['a1', 'a2']), patience)
  await subscription.stop(10_000)
  await transport.publish(messages(['lost', 'after']), confirmed())
  await operator(server.url).deleteRecords({ topics: [{ name: stream, partitions: [{ partition: 0, offset: 3n }] }] })
  const second = new Taker()
  await transport.consume(source, second)
  await vi.waitFor(() => expect(errors.map(({ code }) => code)).toContain('ACUSE_HISTORY_GONE'), patience)
  const text = errors.find(({ code }) => code === 'ACUSE_HISTORY_GONE')?.message ?? ''
  expect(text).toMatch(/what follows offset 2 of partition stream-.*\/0 is not there.*--reset-offsets/)
  expect(text).toContain(source.group)
  expect(second.labels).toEqual([])
})

it('a topic that was deleted and made anew is not read on as if it were the same', async () => {
  const stream = unique('stream')
  const { transport, errors } = await open(server.url)
  const taker = new Taker()
  await transport.consume(sourceOf(stream), taker)
  await transport.publish([messageOf(stream, 'a')], confirmed())
  await vi.waitFor(() => expect(taker.labels).toEqual(['a']), patience)
  await operator(server.url).deleteTopics({ topics: [stream] })
  const other = await open(server.url)
  await vi.waitFor(async () => {
    const [result] = await other.transport.publish([messageOf(stream, 'b')], confirmed())
    expect(result).toEqual({ state: 'delivered' })
  }, patience)
  await vi.waitFor(() => expect(errors.map(({ code }) => code)).toContain('ACUSE_HISTORY_GONE'), patience)
  expect(taker.labels).toEqual(['a'])
})

it('what the topic takes no longer is refused for good, and its neighbours are delivered', async () => {
  const stream = unique('stream')
  const { transport } = await open(server.url)
  const taker = new Taker()
  await transport.consume(sourceOf(stream), taker)
  await operator(server.url).incrementalAlterConfigs({
    resources: [
      {
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: stream,
        configs: [{ name: 'max.message.bytes', configOperation: 0, value: '20000' }],
      },
    ],
  })
  const batch = ['a', 'b', 'c', 'd', 'e', 'f'].map((label) => messageOf(stream, label, { partitions, key: label }))
  const large = messageOf(stream, 'large', { body: new Uint8Array(30_000) })
  await vi.waitFor(async () => {
    const results = await transport.publish([...batch.slice(0, 3), large, ...batch.slice(3)], confirmed())
    expect(results.map((result) => (result.state === 'failed' ? result.error.code : result.state))).toEqual(
      [...batch.slice(0, 3), large, ...batch.slice(3)].map((message) =>
        message === large ? 'ACUSE_MESSAGE_TOO_LARGE' : 'delivered',
      ),
    )
  }, patience)
  await vi.waitFor(
    () => expect([...new Set(taker.labels)].toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']),
    patience,
  )
})

it('a message whose confirmation was lost is sent again, and stored once', async () => {
  const stream = unique('stream')
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: proxied.port }, proxied.advertisedPort)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const { transport } = await open(`127.0.0.1:${proxy.port}`)
  const reading = await open(server.url)
  const taker = new Taker()
  await reading.transport.consume(sourceOf(stream), taker)
  await transport.publish([messageOf(stream, 'first')], confirmed())
  proxy.set({ kind: 'black-hole', towards: 'client' })
  const publishing = transport.publish([messageOf(stream, 'once'), messageOf(stream, 'again')], confirmed())
  await vi.waitFor(() => expect(taker.labels.toSorted()).toEqual(['again', 'first', 'once']), patience)
  proxy.set({ kind: 'pass' })
  proxy.reset()
  expect(await publishing).toEqual([{ state: 'delivered' }, { state: 'delivered' }])
  await transport.publish([messageOf(stream, 'last')], confirmed())
  await vi.waitFor(() => expect(taker.labels).toContain('last'), patience)
  expect(taker.labels.toSorted()).toEqual(['again', 'first', 'last', 'once'])
})

it('a producer that the broker takes for another begins anew, and what it had to send arrives', async () => {
  const stream = unique('stream')
  const one = (label: string) => messageOf(stream, label, { partitions: 1 })
  const { transport } = await open(server.url)
  const taker = new Taker()
  await transport.consume(sourceOf(stream, { streams: [{ name: stream, partitions: 1 }] }), taker)
  await transport.publish([one('a')], confirmed())
  const pool = new ConnectionPool('impostor')
  onTestFinished(() => pool.close())
  const connection = await pool.get({ host: '127.0.0.1', port: server.port })
  const { topics } = await metadataV12.api.async(connection, [stream], false, false)
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 0n,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1_000,
  }
  const wanted = [{ topicId: topics[0]?.topicId ?? '', partitions: [partition] }]
  const { responses } = await fetchV17.api.async(connection, 0, 1, 1_000, 0, 0, -1, wanted, [], '')
  const batch = responses[0]?.partitions[0]?.records?.[0]
  expect(batch?.firstSequence).toBe(0)
  const records = ['x', 'y'].map((label) => ({ topic: stream, partition: 0, value: Buffer.from(label) }))
  await produceV11.api.async(connection, -1, 10_000, records, {
    ...{ producerId: batch?.producerId ?? -1n, producerEpoch: batch?.producerEpoch ?? 0 },
    sequences: new NumericMap([[`${stream}:0`, 1]]),
  })
  for (const label of ['b', 'c']) {
    expect(await transport.publish([one(label)], confirmed())).toEqual([{ state: 'delivered' }])
  }
  await vi.waitFor(() => expect(taker.labels).toContain('c'), patience)
  expect(taker.labels.filter((label) => label !== 'x' && label !== 'y')).toEqual(['a', 'b', 'c'])
})

it.each(['consumer', 'classic'] as const)(
  'a member that was cut off for longer than its session owns nothing when it is back, and its late acks count for nothing, by the protocol %s',
  async (groupProtocol) => {
    const stream = unique('stream')
    const source = sourceOf(stream)
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: proxied.port }, proxied.advertisedPort)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const cut = await open(`127.0.0.1:${proxy.port}`, { groupProtocol })
    const holder = new Taker({ hold: true })
    await cut.transport.consume(source, holder)
    const { transport } = await open(server.url, { groupProtocol })
    const labels = ['a', 'b', 'c', 'd', 'e', 'f']
    const batch = labels.map((label) => messageOf(stream, label))
    await transport.publish(batch, confirmed())
    await vi.waitFor(() => expect(holder.labels.toSorted()).toEqual(labels), patience)
    proxy.set({ kind: 'black-hole', towards: 'both' })
    const next = new Taker({ hold: true })
    await transport.consume(source, next)
    await vi.waitFor(() => expect(next.labels.toSorted()).toEqual(labels), patience)
    // It let go by its own clock, before the coordinator gave them to another.
    expect(new Set(holder.revoked).size).toBe(partitions)
    expect(next.deliveries.every(({ redelivered }) => redelivered)).toBe(true)
    proxy.set({ kind: 'pass' })
    proxy.reset()
    for (const delivery of holder.deliveries.slice(0, labels.length)) delivery.ack()
    await vi.waitFor(() => expect(cut.errors.map(({ code }) => code)).toContain('ACUSE_LEASE_LOST'), patience)
    for (const delivery of next.deliveries.slice(0, 2)) delivery.ack()
    const left = next.labels.slice(2).toSorted()
    await Promise.all([cut.transport[Symbol.asyncDispose](), transport[Symbol.asyncDispose]()])
    const last = new Taker()
    const third = await open(server.url, { groupProtocol })
    await third.transport.consume(source, last)
    await vi.waitFor(() => expect(last.labels.toSorted()).toEqual(left), patience)
  },
)

it('what a transaction of another client wrote is delivered once it is committed, and never when it is rolled back', async () => {
  const stream = unique('stream')
  const { transport } = await open(server.url)
  const taker = new Taker()
  await transport.consume(sourceOf(stream), taker)
  const producer = new Producer({
    ...{ clientId: 'other', bootstrapBrokers: [server.url], idempotent: true, transactionalId: unique('transaction') },
  })
  onTestFinished(() => producer.close(true))
  for (const label of ['rolled back', 'committed']) {
    const transaction = await producer.beginTransaction({})
    const headers = new Map([[Buffer.from('ce_type'), Buffer.from('test.happened')]])
    await transaction.send({ messages: [{ topic: stream, partition: 0, value: Buffer.from(label), headers }] })
    await (label === 'committed' ? transaction.commit() : transaction.abort())
  }
  await vi.waitFor(() => expect(taker.labels).toEqual(['committed']), patience)
  const [delivery] = taker.deliveries
  expect(delivery?.message).toMatchObject({ id: `${stream}-0-2`, type: 'test.happened', key: null })
})
