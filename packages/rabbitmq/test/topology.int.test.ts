import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { Collector, series, uniqueName, wire } from '@acuse/testing/conformance'
import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open, type Opened, refusal } from './support.ts'

const timeout = (): AbortSignal => AbortSignal.timeout(10_000)

describe.each(['3.10', '4.0'] as const)('RabbitMQ %s', (release) => {
  let server: RabbitMq
  let admin: ChannelModel

  beforeAll(async () => {
    server = await startRabbitMq({ release })
    admin = await connect(server.url)
  })
  afterAll(async () => {
    await admin.close()
    await server[Symbol.asyncDispose]()
  })

  it('a message that nobody has subscribed to is published', async () => {
    await using opened = await open(server.url)
    const message = wire('a1', { stream: uniqueName('stream'), key: 'a' })
    expect(await opened.transport.publish([message], timeout())).toEqual([{ state: 'delivered' }])
  })

  it('a message for a group whose queue was deleted is refused, and comes once the group is back', async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    await using opened = await open(server.url)
    const others = new Collector()
    await opened.consume({ stream }, others)
    const subscription = await opened.consume({ stream, group })
    await subscription.stop(1_000)
    const channel = await admin.createChannel()
    await channel.deleteQueue(group)
    const message = wire('a1', { stream, key: 'a' })
    const [refused] = await opened.transport.publish([message], timeout())
    expect(refused?.state === 'failed' && [refused.error.code, refused.error.retryable]).toEqual([
      'ACUSE_DESTINATION_UNAVAILABLE',
      true,
    ])
    expect(refused?.state === 'failed' && refused.error.message).toContain('missing')
    const got = new Collector()
    await opened.consume({ stream, group }, got)
    expect(await opened.transport.publish([message], timeout())).toEqual([{ state: 'delivered' }])
    await eventually(() => expect(got.labels()).toEqual(['a1']))
    await eventually(() => expect(others.labels(), 'at least once: the others had it before').toEqual(['a1', 'a1']))
    await channel.close()
  })

  it('where the tripwire was deleted too, it is put up again before a message counts as published', async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    await using opened = await open(server.url)
    const subscription = await opened.consume({ stream, group })
    await subscription.stop(1_000)
    const channel = await admin.createChannel()
    await channel.deleteQueue(group)
    await channel.deleteQueue('acuse.missing')
    const [result] = await opened.transport.publish([wire('a1', { stream, key: 'a' })], timeout())
    expect(result?.state).toBe('failed')
    await channel.close()
  })

  it('a queue that is deleted under its consumer is reported, and made again', async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    await using opened = await open(server.url)
    const got = new Collector()
    await opened.consume({ stream, group }, got)
    const channel = await admin.createChannel()
    await channel.deleteQueue(group)
    await eventually(() => expect(opened.reported.map(({ message }) => message).join()).toContain(group))
    await eventually(async () => {
      const results = await opened.transport.publish([wire('a1', { stream, key: 'a' })], timeout())
      expect(results).toEqual([{ state: 'delivered' }])
    })
    await eventually(() => expect(got.labels()).toContain('a1'))
    await channel.close()
  })

  it('a stream that is there with another number of partitions is refused with both numbers, by readers and writers', async () => {
    const stream = uniqueName('stream')
    await using opened = await open(server.url)
    await opened.consume({ stream })
    const reading = await refusal(opened.consume({ stream, streams: [{ name: stream, partitions: 7 }] }))
    expect(reading.code).toBe('ACUSE_STREAM_MISMATCH')
    expect(reading.message).toMatch(/7 partitions here, but with 4/)
    await using other = await open(server.url)
    const [writing] = await other.transport.publish([wire('a1', { stream, key: 'a', partitions: 7 })], timeout())
    expect(writing?.state === 'failed' && writing.error.code).toBe('ACUSE_STREAM_MISMATCH')
  })

  it('a message of somebody else comes with its own bytes, and with the same id each time where it has none', async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    await using opened = await open(server.url)
    const got = new Collector()
    got.onDelivery = () => undefined
    await opened.consume({ stream, group }, got)
    const channel = await admin.createConfirmChannel()
    channel.publish(stream, 'order.placed', Buffer.from('{not json'), { headers: { 'x-number': 7, 'x-list': [1] } })
    channel.publish(stream, 'order.placed', Buffer.from('{}'), { messageId: 'theirs' })
    await channel.waitForConfirms()
    await eventually(() => expect(got.deliveries).toHaveLength(2))
    const [first, second] = got.deliveries.map(({ message }) => message)
    expect(first).toMatchObject({ type: 'order.placed', stream, key: null, priority: 'normal' })
    expect(first?.headers).toMatchObject({ 'x-number': '7', 'x-list': '[1]' })
    expect(Buffer.from(first?.body ?? []).toString()).toBe('{not json')
    expect(second?.id).toBe('theirs')
    await opened[Symbol.asyncDispose]()
    await using again = await open(server.url)
    const came = new Collector()
    await again.consume({ stream, group }, came)
    await eventually(() => expect(came.deliveries.map(({ message }) => message.id)).toEqual([first?.id, 'theirs']))
    await channel.close()
  })

  it('a message of somebody else that does not say its partition is refused where a group has queues by partition, not lost', async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    await using opened = await open(server.url, { partitioned: true, prioritized: true })
    const got = new Collector()
    await opened.consume({ stream, group }, got)
    const channel = await admin.createConfirmChannel()
    const publish = (headers: object): Promise<void> => {
      channel.publish(stream, 'order.placed', Buffer.from('{}'), { messageId: 'theirs', headers })
      return channel.waitForConfirms()
    }
    await expect(publish({})).rejects.toThrow('message nacked')
    await expect(publish({ 'acuse-partition': 7, 'acuse-lane': 'normal' })).rejects.toThrow('message nacked')
    await publish({ 'acuse-partition': 3, 'acuse-lane': 'normal' })
    await eventually(() => expect(got.deliveries.map(({ message }) => message.id)).toEqual(['theirs']))
    await channel.close()
  })

  it('a server that is short of memory holds publishes back, and they go through when it has some', async () => {
    const stream = uniqueName('stream')
    await using opened = await open(server.url)
    const got = new Collector()
    await opened.consume({ stream }, got)
    await opened.transport.publish([wire('a1', { stream, key: 'a' })], timeout())
    await server.rabbitmqctl(['set_vm_memory_high_watermark', '0.0000001'])
    const publishing = opened.transport.publish([wire('a2', { stream, key: 'a' })], AbortSignal.timeout(60_000))
    await eventually(
      () => expect(opened.reported.map(({ message }) => message).join()).toContain('takes no messages'),
      {
        timeoutMs: 20_000,
      },
    )
    const aborted = await opened.transport.publish([wire('b1', { stream, key: 'b' })], AbortSignal.timeout(200))
    expect(aborted[0]?.state === 'failed' && aborted[0].error.code).toBe('ACUSE_PUBLISH_TIMEOUT')
    await server.rabbitmqctl(['set_vm_memory_high_watermark', '0.6'])
    expect(await publishing).toEqual([{ state: 'delivered' }])
    await eventually(() => expect(got.labels('a')).toEqual(['a1', 'a2']))
  })

  // A server that was killed takes its time to come back: 31 s for all of it on a machine with nothing else to do.
  it('a group that has started is there when the server is killed at once', { timeout: 180_000 }, async () => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    const own = await startRabbitMq({ release })
    try {
      await using opened = await open(own.url, { newQueueMs: 2_000 })
      const got = new Collector()
      await opened.consume({ stream, group }, got)
      await own.restart()
      await eventually(
        async () => {
          const results = await opened.transport.publish([wire('a1', { stream, key: 'a' })], timeout())
          expect(results).toEqual([{ state: 'delivered' }])
        },
        { timeoutMs: 90_000 },
      )
      await eventually(() => expect(got.labels()).toContain('a1'), { timeoutMs: 60_000 })
    } finally {
      await own[Symbol.asyncDispose]()
    }
  })
})

it(
  'the partitions of a group spread over its processes, and each key stays in order while they do (RabbitMQ 4.0)',
  { timeout: 120_000 },
  async () => {
    const server = await startRabbitMq({ release: '4.0' })
    try {
      const [stream, group] = [uniqueName('stream'), uniqueName('group')]
      // Each goes to one of them by chance: that one of three gets none of four happens in a run of five.
      const partitions = 32
      const streams = [{ name: stream, partitions }]
      const members: { readonly opened: Opened; readonly got: Collector }[] = []
      await using publisher = await open(server.url)
      const keys = Array.from({ length: 40 }, (_, index) => `k${index}x`)
      for (let round = 0; round < 3; round++) {
        const opened = await open(server.url, { partitioned: true })
        const got = new Collector()
        await opened.consume({ stream, streams, group }, got)
        members.push({ opened, got })
        const batch = keys.flatMap((key) => series(30, { stream, key, partitions }).slice(round * 10, round * 10 + 10))
        await publisher.transport.publish(batch, AbortSignal.timeout(30_000))
      }
      // Who came last gets its part once the others have given it up, which may be after all of this.
      let published = 30
      await eventually(
        async () => {
          const more = keys.flatMap((key) => series(published + 1, { stream, key, partitions }).slice(published))
          published += 1
          await publisher.transport.publish(more, AbortSignal.timeout(30_000))
          for (const { got } of members) expect(got.deliveries.length).toBeGreaterThan(0)
        },
        { timeoutMs: 30_000 },
      )
      await eventually(() => expect(members.flatMap(({ got }) => got.labels())).toHaveLength(keys.length * published), {
        timeoutMs: 30_000,
      })
      for (const key of keys) {
        for (const { got } of members) {
          const order = got.labels(key).map((label) => Number(label.slice(key.length)))
          expect(order).toEqual(order.toSorted((one, other) => one - other))
        }
      }
      for (const { opened } of members) await opened[Symbol.asyncDispose]()
    } finally {
      await server[Symbol.asyncDispose]()
    }
  },
)
