import { type Server, startRedis } from '@acuse-proof/servers'
import { eventually, startFaultProxy } from '@acuse/testing'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { StreamKeys } from '../src/keys.ts'
import { RedisLeaseTable } from '../src/lease-table.ts'
import { ackScript, fetchScript, takeOverScript } from '../src/read-scripts.ts'
import { listOf, numberOf, pairsOf } from '../src/reply.ts'
import { open, operator, partitions, series, uniqueName } from './opened.ts'
import { read } from './reader.ts'

let server: Server
beforeAll(async () => {
  server = await startRedis({ release: '7.0', lines: ['appendfsync always'] })
})
afterAll(() => server[Symbol.asyncDispose]())

const inTime = (): AbortSignal => AbortSignal.timeout(10_000)

it('what an owner of yesterday sends is refused by the server: it reads nothing, takes over nothing, and its acks change nothing', async () => {
  const [stream, group] = [uniqueName('stream'), uniqueName('group')]
  const { transport } = await open(server.url)
  await (await read(transport, { stream, group })).subscription.stop(0)
  const client = operator(server.url)
  const lanes = new StreamKeys('acuse', stream).lanesOf({ name: stream, partitions })
  const table = (member: string): RedisLeaseTable =>
    new RedisLeaseTable({ redis: client, prefix: 'acuse', group, member, leaseMs: 60_000, partitions: lanes })
  const claim = async (member: string, from: RedisLeaseTable): Promise<[epoch: number, clean: boolean]> => {
    const { leases } = await from.beat()
    const [claimed] = await from.claim(leases.filter(({ partition }) => partition === lanes[0]?.name))
    return [claimed?.epoch ?? expect.unreachable(`${member} got nothing`), claimed?.clean ?? false]
  }
  const [one, two] = [table('one'), table('two')]
  const [old, wasClean] = await claim('one', one)
  expect(wasClean).toBe(true)
  await client.xadd(lanes[0]?.key ?? '', '1-1', 'acuse-body', 'begun')
  await client.xadd(lanes[0]?.key ?? '', '1-2', 'acuse-body', 'not read yet')
  const keys = [new StreamKeys('acuse', stream).leases(group), lanes[0]?.key ?? '']
  const by = (epoch: number): (string | number)[] => [lanes[0]?.field ?? '', epoch, group]
  const [entries] = listOf(await fetchScript.run(client, keys, [...by(old), 'one', 1, 1, 0]))
  expect(listOf(entries)).toHaveLength(1)
  await one.leave()
  const [current, isClean] = await claim('two', two)
  expect(current).toBeGreaterThan(old)
  expect(isClean).toBe(false)
  for (const stale of [
    fetchScript.run(client, keys, [...by(old), 'one', 1, 1, 0]),
    takeOverScript.run(client, keys, [...by(old), 'one', '', 10]),
    ackScript.run(client, keys, [...by(old), '1-1']),
  ]) {
    await expect(stale).rejects.toThrow(/^FENCED/)
  }
  const [pending] = listOf(await takeOverScript.run(client, keys, [...by(current), 'two', '', 10]))
  expect(listOf(pending)).toHaveLength(1)
  expect(await ackScript.run(client, keys, [...by(current), '1-1'])).toBe(1)
})

it('what was read and whose answer was lost comes all the same, once, in order, and not as possibly begun', async () => {
  const where = { stream: uniqueName('stream'), group: uniqueName('group') }
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const { transport } = await open(`redis://127.0.0.1:${proxy.port}`, { leaseMs: 20_000, heartbeatMs: 400 })
  const publisher = await open(server.url)
  const { reader } = await read(transport, { ...where, holds: true })
  const messages = series(where.stream, 'a', 400)
  // More than fits in what is out and read ahead, so that an ack asks for more at once.
  await publisher.transport.publish(messages, inTime())
  await eventually(() => expect(reader.deliveries).toHaveLength(100))
  const client = operator(server.url)
  const groups = async (): Promise<Map<string, number>[]> => {
    const lanes = await client.keys(`acuse:{${where.stream}}:*:normal`)
    const infos = await Promise.all(lanes.map((lane) => client.xinfo('GROUPS', lane)))
    return infos.map((info) => new Map(pairsOf(listOf(info)[0]).map(([name, value]) => [name, numberOf(value)])))
  }
  const sumOf = async (field: string): Promise<number> =>
    (await groups()).reduce((sum, info) => sum + (info.get(field) ?? 0), 0)
  await eventually(async () => expect(await sumOf('pending')).toBeGreaterThan(150))
  const readBefore = await sumOf('entries-read')
  proxy.set({ kind: 'black-hole', towards: 'client' })
  for (const delivery of reader.deliveries.slice(0, 80)) delivery.ack()
  // The server has given it more; nobody has heard of that.
  await eventually(async () => expect(await sumOf('entries-read')).toBeGreaterThan(readBefore))
  reader.holds = false
  proxy.set({ kind: 'pass' })
  proxy.reset()
  for (const delivery of reader.deliveries) delivery.ack()
  await eventually(() => expect(reader.labels.length).toBeGreaterThanOrEqual(400), { timeoutMs: 15_000 })
  expect(reader.labels).toEqual(messages.map(({ body }) => String(body)))
  expect(reader.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
  await eventually(async () => expect(await sumOf('pending')).toBe(0))
})
