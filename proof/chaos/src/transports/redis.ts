import { startRedis } from '@acuse-proof/servers'
import { passesBroker } from './broker-points.ts'
import { doorsOf, urlAtPort } from './doors.ts'
import type { ChaosTransport } from './transport.ts'

/** Redis, on disk before it answers. */
export const redisTransport: ChaosTransport = {
  name: 'redis',
  sizes: [1],
  from: 'earliest',
  passes: passesBroker,
  async start() {
    const server = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
    return {
      ports: [server.port],
      doors: () => doorsOf([server]),
      urlAt: ([port]) => urlAtPort(server.url, port),
      nodes: [server],
      cutOff: undefined,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  connect:
    (url, { leaseMs, transportMaxBytes }) =>
    async (context) => {
      const { redis } = await import('@acuse/redis')
      return redis(url, { leaseMs, maxMessageBytes: transportMaxBytes })(context)
    },
}
