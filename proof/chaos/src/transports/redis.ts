import { redis } from '@acuse/redis'
import { startRedis } from '@acuse-proof/servers'
import { passesBroker } from './broker-points.ts'
import type { ChaosTransport } from './transport.ts'

/** Redis, on disk before it answers. */
export const redisTransport: ChaosTransport = {
  name: 'redis',
  hasServer: true,
  from: 'earliest',
  passes: passesBroker,
  async start() {
    const server = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
    return {
      host: '127.0.0.1',
      port: server.port,
      urlAt: (port) => `redis://127.0.0.1:${port}`,
      server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  connect: (url, { leaseMs, transportMaxBytes }) => redis(url, { leaseMs, maxMessageBytes: transportMaxBytes }),
}
