import { type Server, startRedis } from '@acuse-proof/servers'
import { eventually, startFaultProxy } from '@acuse/testing'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { open, operator, series, uniqueName } from './opened.ts'
import { read } from './reader.ts'

let server: Server
beforeAll(async () => {
  server = await startRedis({ release: '7.0', lines: ['appendfsync always'] })
})
afterAll(() => server[Symbol.asyncDispose]())

const names = (): { stream: string; group: string } => ({ stream: uniqueName('stream'), group: uniqueName('group') })
const soon = { timeoutMs: 15_000 }
const inTime = (): AbortSignal => AbortSignal.timeout(10_000)
const delivered = { state: 'delivered' }
const keys = Array.from({ length: 40 }, (_, index) => `k${index}x`)

it('two consumers of a group both get partitions, and each partition is with one of them', async () => {
  const where = names()
  const [first, second, publisher] = [await open(server.url), await open(server.url), await open(server.url)]
  const one = await read(first.transport, where)
  const two = await read(second.transport, where)
  await eventually(async () => {
    const before = [one.reader.deliveries.length, two.reader.deliveries.length]
    await publisher.transport.publish(
      keys.flatMap((key) => series(where.stream, key, 1)),
      inTime(),
    )
    await eventually(() => {
      const came = one.reader.deliveries.length + two.reader.deliveries.length
      expect(came).toBe((before[0] ?? 0) + (before[1] ?? 0) + keys.length)
    })
    const [ofOne, ofTwo] = [one.reader.deliveries.slice(before[0]), two.reader.deliveries.slice(before[1])]
    const [hasOne, hasTwo] = [ofOne, ofTwo].map((ofEach) => new Set(ofEach.map(({ partition }) => partition)))
    expect([hasOne?.size, hasTwo?.size]).toEqual([2, 2])
    expect([...(hasOne ?? [])].filter((partition) => hasTwo?.has(partition))).toEqual([])
  }, soon)
})

it('a stream that is there with another number of partitions is refused, to readers and publishers, with both numbers', async () => {
  const { stream, group } = names()
  const { transport } = await open(server.url)
  await read(transport, { stream, group })
  const mismatch = expect.objectContaining({
    code: 'ACUSE_STREAM_MISMATCH',
    message: expect.stringMatching(/with 8 partitions here, but with 4 on the server/),
  })
  await expect(read(transport, { stream, group, partitions: 8 })).rejects.toEqual(mismatch)
  const [message] = series(stream, 'a', 1)
  const results = await transport.publish(message === undefined ? [] : [{ ...message, partitions: 8 }], inTime())
  expect(results).toEqual([{ state: 'failed', error: mismatch }])
})

it.each(['one lane of the stream', 'everything'])(
  'where %s is deleted while it is read, the group begins anew at the earliest, and says so',
  async (what) => {
    const where = names()
    const { transport, errors } = await open(server.url)
    const { reader } = await read(transport, where)
    await transport.publish(series(where.stream, 'a', 3), inTime())
    await eventually(() => expect(reader.labels).toEqual(['a1', 'a2', 'a3']))
    const client = operator(server.url)
    if (what === 'everything') await client.flushall()
    else await client.del(await laneOf(where.stream))
    await transport.publish(series(where.stream, 'a', 5).slice(3), inTime())
    await eventually(() => expect(reader.labels.slice(3)).toEqual(['a4', 'a5']), soon)
    expect(errors.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/deleted; it begins anew at the earliest message/),
    )
  },
)

/** The one that has anything in it. */
async function laneOf(stream: string): Promise<string> {
  const client = operator(server.url)
  const lanes = await client.keys(`acuse:{${stream}}:*:normal`)
  const lengths = await Promise.all(lanes.map((lane) => client.xlen(lane)))
  return lanes[lengths.findIndex((length) => length > 0)] ?? ''
}

it('a stream is trimmed to its retention, and never what a group has not settled or not read', async () => {
  const where = names()
  const { transport } = await open(server.url, { retentionMs: 0, trimEveryMs: 20 })
  const holding = await read(transport, { ...where, holds: true })
  const other = await read(transport, { ...where, group: uniqueName('other') })
  // Whole nodes of a hundred are trimmed at once.
  const count = 350
  const messages = series(where.stream, 'a', count)
  for (let at = 0; at < count; at += 50) await transport.publish(messages.slice(at, at + 50), inTime())
  await eventually(() => expect(other.reader.deliveries).toHaveLength(count), soon)
  const client = operator(server.url)
  const lane = await laneOf(where.stream)
  // The keeper has had its turn, and more than once, when its script was called again and again.
  await client.config('RESETSTAT')
  await eventually(async () => expect(await callsOf('xtrim')).toBeGreaterThan(20), soon)
  expect(await client.xlen(lane)).toBe(count)
  holding.reader.holds = false
  for (const delivery of holding.reader.deliveries) delivery.ack()
  await eventually(() => expect(holding.reader.labels).toEqual(messages.map(({ body }) => String(body))), soon)
  await eventually(async () => expect(await client.xlen(lane)).toBeLessThanOrEqual(100), soon)
})

async function callsOf(command: string): Promise<number> {
  const stats = await operator(server.url).info('commandstats')
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

it('on a full server publishes fail and can be tried again, and groups go on reading and acking', async () => {
  const full = await startRedis({ release: '7.0', lines: ['appendfsync always'] })
  onTestFinished(() => full[Symbol.asyncDispose]())
  const where = names()
  const { transport } = await open(full.url)
  const { reader } = await read(transport, { ...where, holds: true })
  const kilobytes = Buffer.alloc(10_000)
  await transport.publish(series(where.stream, 'a', 20, kilobytes), inTime())
  const client = operator(full.url)
  await client.config('SET', 'maxmemory', '1')
  const [refused] = await transport.publish(series(where.stream, 'b', 1), inTime())
  expect(refused).toEqual({
    state: 'failed',
    error: expect.objectContaining({ retryable: true, message: expect.stringMatching(/OOM.*maxmemory/) }),
  })
  await eventually(() => expect(reader.deliveries).toHaveLength(20))
  reader.holds = false
  for (const delivery of reader.deliveries) delivery.ack()
  // Who starts now can read too.
  const other = await open(full.url)
  await read(other.transport, where)
  await read(other.transport, { ...where, group: uniqueName('new'), from: 'earliest' }).then((late) =>
    eventually(() => expect(late.reader.deliveries).toHaveLength(20)),
  )
  await eventually(async () => {
    const lanes = await client.keys(`acuse:{${where.stream}}:*:normal`)
    const pending = await Promise.all(lanes.map(async (lane) => (await client.xpending(lane, where.group))[0]))
    expect(pending).toEqual(lanes.map(() => 0))
  }, soon)
  await client.config('SET', 'maxmemory', '0')
  expect(await transport.publish(series(where.stream, 'b', 1), inTime())).toEqual([delivered])
})

it('an owner that is cut off for longer than its lease has lost it: what it settles then changes nothing', async () => {
  const where = names()
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const cut = await open(`redis://127.0.0.1:${proxy.port}`)
  const one = await read(cut.transport, { ...where, holds: true })
  const { transport } = await open(server.url)
  await transport.publish(series(where.stream, 'a', 3), inTime())
  await eventually(() => expect(one.reader.labels).toEqual(['a1', 'a2', 'a3']))
  proxy.set({ kind: 'black-hole', towards: 'both' })
  const two = await read(transport, { ...where, holds: true })
  await eventually(() => expect(two.reader.labels).toEqual(['a1', 'a2', 'a3']), soon)
  expect(two.reader.deliveries.every(({ redelivered }) => redelivered)).toBe(true)
  expect(one.reader.revoked).toContain(one.reader.deliveries[0]?.partition)
  expect(cut.errors.map(({ code }) => code)).toContain('ACUSE_LEASE_LOST')
  proxy.set({ kind: 'pass' })
  proxy.reset()
  for (const delivery of one.reader.deliveries) delivery.ack()
  await two.subscription.stop(0)
  await eventually(() => expect(one.reader.labels.slice(3)).toEqual(['a1', 'a2', 'a3']), soon)
})

it('a short break of the network takes nothing away: acks given meanwhile are stored, and nothing comes again', async () => {
  const where = names()
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const { transport } = await open(`redis://127.0.0.1:${proxy.port}`, { leaseMs: 10_000 })
  const { reader, subscription } = await read(transport, { ...where, holds: true })
  const publisher = await open(server.url)
  await publisher.transport.publish(series(where.stream, 'a', 3), inTime())
  await eventually(() => expect(reader.labels).toEqual(['a1', 'a2', 'a3']))
  proxy.set({ kind: 'refuse' })
  proxy.reset()
  for (const delivery of reader.deliveries) delivery.ack()
  await publisher.transport.publish(series(where.stream, 'a', 5).slice(3), inTime())
  proxy.set({ kind: 'pass' })
  await eventually(() => expect(reader.labels).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']), soon)
  expect(reader.revoked).toEqual([])
  reader.deliveries[3]?.ack()
  reader.deliveries[4]?.ack()
  await subscription.stop(5_000)
  const next = await read(publisher.transport, where)
  await publisher.transport.publish(series(where.stream, 'b', 1), inTime())
  await eventually(() => expect(next.reader.labels).toEqual(['b1']))
})

it('a publish settles in time although the server does not answer, and the next ones go through', async () => {
  const where = names()
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const { transport } = await open(`redis://127.0.0.1:${proxy.port}`, { heartbeatMs: 300 })
  await transport.publish(series(where.stream, 'a', 1), inTime())
  proxy.set({ kind: 'black-hole', towards: 'client' })
  const [timedOut] = await transport.publish(series(where.stream, 'a', 1), AbortSignal.timeout(100))
  expect(timedOut).toEqual({ state: 'failed', error: expect.objectContaining({ code: 'ACUSE_PUBLISH_TIMEOUT' }) })
  // Without a signal that aborts it is the heartbeat that ends it.
  const [cut] = await transport.publish(series(where.stream, 'a', 1), inTime())
  expect(cut).toEqual({ state: 'failed', error: expect.objectContaining({ code: 'ACUSE_TRANSPORT_UNAVAILABLE' }) })
  proxy.set({ kind: 'pass' })
  await eventually(async () => {
    expect(await transport.publish(series(where.stream, 'a', 1), inTime())).toEqual([delivered])
  }, soon)
})
