import { type Server, startRedis } from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { UnsafeSetting } from '@acuse/redis'
import { open, operator, series, uniqueName } from './opened.ts'
import { read } from './reader.ts'

let older: Server
let newer: Server
beforeAll(async () => {
  older = await startRedis({ release: '7.0', lines: ['appendfsync always'] })
  newer = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
})
afterAll(async () => {
  await older[Symbol.asyncDispose]()
  await newer[Symbol.asyncDispose]()
})

/** Sets it for one test. */
async function set(server: Server, setting: string, value: string): Promise<void> {
  const client = operator(server.url)
  const [, before = ''] = await client.config('GET', setting).then((reply) => (Array.isArray(reply) ? reply : []))
  await client.config('SET', setting, value)
  onTestFinished(async () => void (await client.config('SET', setting, before)))
}

const code = (name: string, message: RegExp): object =>
  expect.objectContaining({ code: name, message: expect.stringMatching(message) })

interface Row {
  readonly setting: UnsafeSetting
  readonly value: string
  readonly danger: RegExp
  readonly release?: '8.0'
}

const rows: readonly Row[] = [
  { setting: 'appendonly', value: 'no', danger: /appendonly is no: .*the groups too.*CONFIG SET appendonly yes/ },
  { setting: 'appendfsync', value: 'everysec', danger: /everysec: .*last second.*CONFIG SET appendfsync always/ },
  { setting: 'appendfsync', value: 'no', danger: /appendfsync is no: .*30 seconds/, release: '8.0' },
  { setting: 'no-appendfsync-on-rewrite', value: 'yes', danger: /while the append-only file is rewritten/ },
  { setting: 'maxmemory-policy', value: 'allkeys-lru', danger: /allkeys-lru: .*throws away streams.*noeviction/ },
]

describe('a server that would lose what it has confirmed is refused', () => {
  it.each(rows)('$setting $value', async ({ setting, value, danger, release }) => {
    const server = release === undefined ? older : newer
    await set(server, setting, value)
    await expect(open(server.url)).rejects.toEqual(code('ACUSE_UNSAFE_SETTING', danger))
    await expect(open(server.url)).rejects.toThrow(`allowUnsafe: ['${setting}']`)
    const { transport } = await open(server.url, { allowUnsafe: [setting] })
    expect(transport.name).toBe('redis')
  })

  it('where its settings cannot be read', async () => {
    const client = operator(older.url)
    await client.acl('SETUSER', 'app', 'on', '>word', '~*', '&*', '+@all', '-config')
    const url = `redis://app:word@127.0.0.1:${older.port}`
    await expect(open(url)).rejects.toEqual(code('ACUSE_UNSAFE_SETTING', /CONFIG GET is refused.*\+config\|get/))
    await open(url, { allowUnsafe: ['unreadable'] })
  })

  it('a replica, as nothing can be written there', async () => {
    const client = operator(older.url)
    await client.replicaof('127.0.0.1', newer.port)
    onTestFinished(async () => void (await client.replicaof('NO', 'ONE')))
    await expect(open(older.url)).rejects.toEqual(code('ACUSE_READ_ONLY', /replica.*Connect to the primary/))
  })

  it('a cluster, as nobody would follow its keys', async () => {
    const cluster = await startRedis({ release: '7.0', lines: ['appendfsync always', 'cluster-enabled yes'] })
    onTestFinished(() => cluster[Symbol.asyncDispose]())
    await expect(open(cluster.url)).rejects.toEqual(code('ACUSE_CONFIGURATION', /cluster/))
  })
})

it('from 7.2 a publish with everysec counts once WAITAOF says that it is on disk', async () => {
  await set(newer, 'appendfsync', 'everysec')
  const client = operator(newer.url)
  const { transport } = await open(newer.url)
  await client.config('RESETSTAT')
  const [stream, group] = [uniqueName('stream'), uniqueName('group')]
  await read(transport, { stream, group })
  const batch = ['a', 'b', 'c'].flatMap((key) => series(stream, key, 1))
  const results = await transport.publish(batch, AbortSignal.timeout(10_000))
  expect(results).toEqual(batch.map(() => ({ state: 'delivered' })))
  const calls = /cmdstat_waitaof:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]
  // One for the group's place, and one for all three.
  expect(Number(calls)).toBeGreaterThanOrEqual(2)
  expect(Number(calls)).toBeLessThanOrEqual(4)
  await client.config('RESETSTAT')
  await (await open(newer.url, { allowUnsafe: ['appendfsync'] })).transport.publish(batch, AbortSignal.timeout(10_000))
  expect(await client.info('commandstats')).not.toContain('cmdstat_waitaof')
})

it('a body that is too large is refused for good, by our limit or by that of the server', async () => {
  const large = series(uniqueName('stream'), 'a', 1, Buffer.alloc(2_000_001))
  const tooLarge = code('ACUSE_MESSAGE_TOO_LARGE', /it has 2000001 bytes, and at most 2000000 are taken/)
  const ours = await open(older.url, { maxMessageBytes: 2_000_000 })
  expect(await ours.transport.publish(large, AbortSignal.timeout(5_000))).toEqual([
    { state: 'failed', error: tooLarge },
  ])
  await set(older, 'proto-max-bulk-len', '2000000')
  const servers = await open(older.url)
  expect(await servers.transport.publish(large, AbortSignal.timeout(5_000))).toEqual([
    { state: 'failed', error: tooLarge },
  ])
})

it('a server that comes back with settings that lose messages is reported', async () => {
  const server = await startRedis({ release: '7.0', lines: ['appendfsync everysec'] })
  onTestFinished(() => server[Symbol.asyncDispose]())
  await operator(server.url).config('SET', 'appendfsync', 'always')
  const { errors } = await open(server.url)
  await server.restart()
  await eventually(() => {
    expect(errors).toContainEqual(code('ACUSE_UNSAFE_SETTING', /appendfsync is everysec/))
  })
})
