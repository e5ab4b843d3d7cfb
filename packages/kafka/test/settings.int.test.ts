import { type Server, startKafka } from '@acuse-proof/servers'
import type { KafkaOptions, UnsafeSetting } from '@acuse/kafka'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open, operator, partitions, sourceOf, Taker, testLines, unique } from './support.ts'

const refusal = (text: RegExp): object =>
  expect.objectContaining({ code: 'ACUSE_UNSAFE_SETTING', message: expect.stringMatching(text) })

describe('brokers that would lose messages, or the place of a group, are refused', () => {
  let server: Server
  beforeAll(async () => {
    const lines = ['unclean.leader.election.enable=true', 'offsets.retention.minutes=60']
    server = await startKafka({ lines: [...lines, 'auto.create.topics.enable=true'] })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const rows: readonly { readonly setting: UnsafeSetting; readonly text: RegExp; readonly options: KafkaOptions }[] = [
    {
      setting: 'auto.create.topics.enable',
      text: /auto\.create\.topics\.enable is true on broker 1: whoever .* set auto.create/,
      options: {},
    },
    {
      setting: 'unclean.leader.election.enable',
      text: /is true on broker 1: a replica .*kafka-configs\.sh .* --entity-type brokers/,
      options: {},
    },
    {
      setting: 'offsets.retention.minutes',
      text: /minutes is 60 .* skips .*set offsets\.retention\.minutes=10080/,
      options: {},
    },
    {
      setting: 'offsets.topic.replication.factor',
      text: /is 1 on broker 1, where 3 .*=3 in server/,
      options: { replicationFactor: 3 },
    },
  ]
  const all = rows.map(({ setting }) => setting)
  it.each(rows)('$setting', async ({ setting, text, options }) => {
    const allowUnsafe = all.filter((other) => other !== setting)
    await expect(open(server.url, { ...options, allowUnsafe })).rejects.toEqual(refusal(text))
    await open(server.url, { ...options, allowUnsafe: all })
  })

  it('and all of them are told at once', async () => {
    const text = /auto\.create[^]*allowUnsafe: \['auto\.[^]*unclean[^]*allowUnsafe: \['unclean[^]*offsets\.retention/
    await expect(open(server.url)).rejects.toEqual(refusal(text))
  })
})

describe('topics', () => {
  let server: Server
  beforeAll(async () => {
    server = await startKafka({ lines: testLines })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const safe = { 'message.timestamp.type': 'LogAppendTime' }

  /** A topic as somebody else has made it. */
  async function topic(settings: Readonly<Record<string, string>>, count = partitions): Promise<string> {
    const name = unique('stream')
    const configs = Object.entries({ ...safe, ...settings }).map(([setting, value]) => ({ name: setting, value }))
    await operator(server.url).createTopics({ topics: [name], partitions: count, replicas: 1, configs })
    return name
  }

  const rows: readonly (readonly [UnsafeSetting, string, RegExp])[] = [
    ['cleanup.policy', 'compact', /has cleanup\.policy=compact: compaction .*--add-config cleanup\.policy=delete/],
    ['retention.ms', '60000', /retention\.ms=60000, where 604800000 .*--add-config retention\.ms=604800000/],
    ['retention.bytes', '1000000', /retention\.bytes=1000000: the oldest .*--add-config retention\.bytes=-1/],
    ['unclean.leader.election.enable', 'true', /is true for topic .*--entity-type topics --entity-name stream-/],
    ['message.timestamp.type', 'CreateTime', /=CreateTime: .* clock is behind .*LogAppendTime/],
  ]
  it.each(rows)('with %s=%s are refused', async (setting, value, text) => {
    const name = await topic({ [setting]: value })
    const { transport } = await open(server.url)
    await expect(transport.consume(sourceOf(name), new Taker())).rejects.toEqual(refusal(text))
    const lenient = await open(server.url, { allowUnsafe: [setting] })
    await lenient.transport.consume(sourceOf(name), new Taker())
  })

  it('with fewer replicas than are asked for are refused', async () => {
    const name = await topic({})
    const allowUnsafe = ['offsets.topic.replication.factor'] as const
    const { transport } = await open(server.url, { replicationFactor: 2, allowUnsafe })
    await expect(transport.consume(sourceOf(name), new Taker())).rejects.toEqual(
      refusal(/has 1 replicas, where 2 are asked for: .*kafka-reassign-partitions\.sh/),
    )
  })

  it('that need more brokers than there are are not made with fewer', async () => {
    const allowUnsafe = ['offsets.topic.replication.factor'] as const
    const { transport } = await open(server.url, { replicationFactor: 3, allowUnsafe })
    await expect(transport.consume(sourceOf(unique('stream')), new Taker())).rejects.toEqual(
      refusal(/cannot have 3 replicas, as the cluster has 1 brokers: .*replicationFactor: 1/),
    )
  })

  it('with another number of partitions are a mismatch, and told with both numbers', async () => {
    const name = await topic({}, 3)
    const { transport } = await open(server.url)
    await expect(transport.consume(sourceOf(name), new Taker())).rejects.toMatchObject({
      code: 'ACUSE_STREAM_MISMATCH',
      message: expect.stringMatching(/declared with 4 partitions here, but its topic has 3/),
    })
  })

  it('are made with settings that the audit accepts', async () => {
    const name = unique('stream')
    const first = await open(server.url, { retentionMs: -1, allowUnsafe: ['offsets.retention.minutes'] })
    await first.transport.consume(sourceOf(name), new Taker())
    const second = await open(server.url, { retentionMs: -1, allowUnsafe: ['offsets.retention.minutes'] })
    await expect(second.transport.consume(sourceOf(name), new Taker())).resolves.toBeDefined()
  })
})
