import { partitionHash } from '@acuse/core'
import { type Server, startNats } from '@acuse-proof/servers'
import { eventually, startFaultProxy } from '@acuse/testing'
import { jetstream, type StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, consume, editStream, message, open, partitions, publish, sink, streamOf, uniqueName } from './support.ts'

let server: Server
let client: NatsConnection
beforeAll(async () => {
  server = await startNats({ release: '2.15' })
  client = await connect({ servers: server.url })
})
afterAll(async () => {
  await client.close()
  await server[Symbol.asyncDispose]()
})

it('two consumers of a group both get partitions, and one that leaves gives its own to the other', async () => {
  const stream = uniqueName('stream')
  const group = uniqueName('group')
  const streams = [{ name: stream, partitions }]
  const [one, two] = [await open(server.url), await open(server.url)]
  const [first, second] = [sink(), sink()]
  const leaving = await consume(one.transport, first, { group, streams })
  await consume(two.transport, second, { group, streams })
  const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`)
  let sent = 0
  await eventually(async () => {
    await publish(
      two.transport,
      keys.map((key) => message(stream, `${key} ${sent++}`, { key })),
    )
    const partitionsOf = (got: typeof first): number => new Set(got.deliveries.map(({ partition }) => partition)).size
    expect([partitionsOf(first) >= 2, partitionsOf(second)]).toEqual([true, partitions / 2])
  })
  await leaving.stop(5_000)
  const before = second.deliveries.length
  await publish(
    two.transport,
    keys.map((key) => message(stream, `${key} last`, { key })),
  )
  await eventually(() => expect(second.deliveries.length).toBeGreaterThanOrEqual(before + keys.length))
})

it('a stream that is deleted is made again, which is reported, and what comes then is read', async () => {
  const stream = uniqueName('stream')
  const { transport, errors } = await open(server.url)
  const got = sink()
  await consume(transport, got, { streams: [{ name: stream, partitions }] })
  await publish(
    transport,
    ['1', '2', '3'].map((label) => message(stream, label)),
  )
  await eventually(() => expect(got.labels().toSorted()).toEqual(['1', '2', '3']))
  await ask(client, `STREAM.DELETE.${streamOf(stream)}`)
  await eventually(async () => expect(await publish(transport, [message(stream, '4')])).toEqual(['delivered']))
  await eventually(() => expect(got.labels()).toContain('4'), { timeoutMs: 30_000 })
  expect(errors.filter(({ code }) => code === 'ACUSE_HISTORY_GONE').map((error) => error.message)).toEqual(
    expect.arrayContaining([expect.stringMatching(/was deleted, with what was not read of it/)]),
  )
})

it('a consumer that is deleted is made again, and nothing is lost or comes twice', async () => {
  const stream = uniqueName('stream')
  const { transport, errors } = await open(server.url)
  const got = sink()
  await consume(transport, got, { streams: [{ name: stream, partitions: 1 }] })
  await publish(transport, [message(stream, '1', { partitions: 1 })])
  await eventually(() => expect(got.labels()).toEqual(['1']))
  const { consumers } = await ask<{ consumers: string[] }>(client, `CONSUMER.NAMES.${streamOf(stream)}`)
  for (const name of consumers) await ask(client, `CONSUMER.DELETE.${streamOf(stream)}.${name}`)
  await publish(transport, [message(stream, '2', { partitions: 1 })])
  await eventually(() => expect(got.labels()).toEqual(['1', '2']), { timeoutMs: 20_000 })
  expect(errors.map((error) => error.message)).toEqual([expect.stringMatching(/the server ended the consumer/)])
})

it('a bucket of places that is deleted is made again, which is reported, and nothing is lost', async () => {
  const stream = uniqueName('stream')
  const { transport, errors } = await open(server.url, { bucket: 'deleted', leaseMs: 1_000 })
  const got = sink()
  await consume(transport, got, { streams: [{ name: stream, partitions: 1 }] })
  await publish(transport, [message(stream, '1', { partitions: 1 })])
  await eventually(() => expect(got.labels()).toEqual(['1']))
  await ask(client, 'STREAM.DELETE.KV_deleted')
  await eventually(() => expect(errors.map(({ code }) => code)).toContain('ACUSE_HISTORY_GONE'), { timeoutMs: 20_000 })
  for (const label of ['2', '3', '4']) {
    await publish(transport, [message(stream, label, { partitions: 1 })])
    await eventually(() => expect(got.labels()).toContain(label), { timeoutMs: 20_000 })
  }
  expect(errors).toContainEqual(
    expect.objectContaining({
      code: 'ACUSE_HISTORY_GONE',
      message: expect.stringMatching(/bucket deleted was deleted, with the places of all groups/),
    }),
  )
})

it('messages that were taken out of a stream before a group read them are reported', async () => {
  const stream = uniqueName('stream')
  const streams = [{ name: stream, partitions: 1 }]
  const group = uniqueName('group')
  const { transport, errors } = await open(server.url)
  const before = await consume(transport, sink(), { group, streams })
  await before.stop(1_000)
  await publish(
    transport,
    ['1', '2', '3'].map((label) => message(stream, label, { partitions: 1 })),
  )
  await ask(client, `STREAM.PURGE.${streamOf(stream)}`, { seq: 3 })
  const got = sink()
  await consume(transport, got, { group, streams })
  await eventually(() => expect(got.labels()).toEqual(['3']))
  expect(errors).toContainEqual(
    expect.objectContaining({
      code: 'ACUSE_HISTORY_GONE',
      message: expect.stringMatching(/messages before 3 were taken out/),
    }),
  )
})

it('what somebody else publishes to a stream is read, with an id that is the same each time', async () => {
  const stream = uniqueName('stream')
  const { transport } = await open(server.url)
  const streams = [{ name: stream, partitions }]
  const got = sink(false)
  const group = uniqueName('group')
  const one = await consume(transport, got, { group, streams })
  const subject = `acuse.${stream.replaceAll('.', '=')}.2.high.order.placed`
  await jetstream(client).publish(subject, 'theirs')
  await eventually(() => expect(got.labels()).toEqual(['theirs']))
  await one.stop(0)
  await consume(transport, got, { group, streams })
  await eventually(() => expect(got.labels()).toEqual(['theirs', 'theirs']))
  const [first, again] = got.deliveries.map((delivery) => delivery.message)
  expect(first).toMatchObject({ type: 'order.placed', stream, key: null, priority: 'high' })
  expect(first?.id).not.toBe('')
  expect(again?.id).toBe(first?.id)
})

it('a message that is published again is there once', async () => {
  const stream = uniqueName('stream')
  const { transport } = await open(server.url)
  const one = message(stream, '1')
  expect(await publish(transport, [one, one])).toEqual(['delivered', 'delivered'])
  expect(await publish(transport, [one])).toEqual(['delivered'])
  const { state } = await ask<StreamInfo>(client, `STREAM.INFO.${streamOf(stream)}`)
  expect(state.messages).toBe(1)
})

it('a full stream refuses what it has no room for, and it can be sent again', async () => {
  const stream = uniqueName('stream')
  const { transport } = await open(server.url)
  await publish(transport, [message(stream, '1')])
  await editStream(client, streamOf(stream), { max_msgs: 1 })
  const results = await transport.publish([message(stream, '2')], AbortSignal.timeout(10_000))
  expect(results).toEqual([
    {
      state: 'failed',
      error: expect.objectContaining({
        retryable: true,
        message: expect.stringMatching(/does not take it: maximum messages/),
      }),
    },
  ])
})

it('publishing that gets no answer settles, and the lease of who got none is over', async () => {
  const stream = uniqueName('stream')
  const group = uniqueName('group')
  const streams = [{ name: stream, partitions: 1 }]
  await using proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  const cut = await open(`nats://127.0.0.1:${proxy.port}`, { leaseMs: 1_500 })
  const well = await open(server.url, { leaseMs: 1_500 })
  const [first, second] = [sink(false), sink()]
  await consume(cut.transport, first, { group, streams })
  await publish(
    well.transport,
    ['1', '2'].map((label) => message(stream, label, { key: 'a', partitions: 1 })),
  )
  await eventually(() => expect(first.labels()).toEqual(['1', '2']))
  await consume(well.transport, second, { group, streams })
  proxy.set({ kind: 'black-hole', towards: 'both' })
  const publishing = cut.transport.publish([message(stream, 'x', { partitions: 1 })], AbortSignal.timeout(1_000))
  expect(await publishing).toEqual([
    { state: 'failed', error: expect.objectContaining({ code: 'ACUSE_PUBLISH_TIMEOUT' }) },
  ])
  await eventually(() => expect(second.labels()).toEqual(['1', '2']), { timeoutMs: 10_000 })
  expect(cut.errors).toContainEqual(expect.objectContaining({ code: 'ACUSE_LEASE_LOST' }))
  // What it settles now is of no owner.
  for (const delivery of first.deliveries) delivery.ack()
  expect(second.deliveries.map(({ redelivered }) => redelivered)).toEqual([true, true])
})

it('a group may be read by lanes one time and by none the next, and loses nothing', async () => {
  const stream = uniqueName('stream')
  const group = uniqueName('group')
  const streams = [{ name: stream, partitions }]
  const labels: string[] = []
  for (const prioritized of [false, true, false, true]) {
    const { transport } = await open(server.url, { prioritized })
    const got = sink(false)
    const reading = await consume(transport, got, { group, streams })
    const sent = (['normal', 'high', 'critical'] as const).map((priority) =>
      message(stream, `${prioritized} ${priority} ${labels.length}`, { priority }),
    )
    await publish(transport, sent)
    labels.push(...sent.map(({ body }) => Buffer.from(body).toString()))
    await eventually(() => expect(new Set(got.labels())).toEqual(new Set(labels)))
    await reading.stop(0)
  }
})

it('publishes to the partition that all services agree on', async () => {
  const stream = uniqueName('stream')
  const { transport } = await open(server.url)
  const sent = message(stream, '1', { key: 'order 7' })
  await publish(transport, [sent])
  const stored = await ask<{ message: { subject: string } }>(client, `STREAM.MSG.GET.${streamOf(stream)}`, { seq: 1 })
  const partition = partitionHash(sent) % partitions
  expect(stored.message.subject).toBe(`acuse.${stream.replaceAll('.', '=')}.${partition}.normal.test=happened`)
})
