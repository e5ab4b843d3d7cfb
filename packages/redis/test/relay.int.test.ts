import { type Server, startRedis } from '@acuse-proof/servers'
import { redis } from '@acuse/redis'
import { testRelay } from '@acuse/testing/conformance'
import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { partitions } from './opened.ts'

const user = 'publisher'
const leaseMs = 2_000
/** The server does not take less for this setting. */
const firstLimit = 1_048_576
let server: Server
let operator: Redis

beforeAll(async () => {
  server = await startRedis({ release: '8.0', lines: ['appendfsync always', `proto-max-bulk-len ${firstLimit}`] })
  operator = new Redis(server.url)
  await allowAll()
})
afterAll(async () => {
  operator.disconnect()
  await server[Symbol.asyncDispose]()
})

testRelay('Redis 8.0', async () => ({
  publisher: redis(`redis://${user}:${user}@127.0.0.1:${server.port}`, { leaseMs }),
  consumer: redis(server.url, { leaseMs }),
  async forbid({ spared }) {
    const patterns = ['acuse:identity', ...spared.map((stream) => `acuse:{${stream}}*`)].map((pattern) => `~${pattern}`)
    await operator.call('ACL', ['SETUSER', user, 'resetkeys', ...patterns])
    return allowAll
  },
  // Its memory is that of all its streams.
  fullIsWhole: true,
  async fill() {
    await operator.config('SET', 'maxmemory', '1')
    return async () => void (await operator.config('SET', 'maxmemory', '0'))
  },
  async misroute({ stream, stopGroup, startGroup }) {
    await stopGroup()
    const lanes = Array.from({ length: partitions }, (_, partition) => `acuse:{${stream}}:${partition}:normal`)
    for (const lane of lanes) await operator.set(lane, 'of another program')
    return async () => {
      await operator.del(...lanes)
      await startGroup()
    }
  },
  async limit() {
    return {
      tooMany: firstLimit,
      names: /proto-max-bulk-len/,
      raise: async () => void (await operator.config('SET', 'proto-max-bulk-len', String(8 * firstLimit))),
    }
  },
  dispose: async () => void (await operator.config('SET', 'proto-max-bulk-len', String(firstLimit))),
}))

async function allowAll(): Promise<void> {
  await operator.call('ACL', ['SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all'])
}
