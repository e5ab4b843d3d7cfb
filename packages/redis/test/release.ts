import { systemClock, type Transport } from '@acuse/core'
import { type RedisRelease, type Server, startRedis } from '@acuse-proof/servers'
import { redis } from '@acuse/redis'
import { type FaultProxy, startFaultProxy } from '@acuse/testing'
import { testTransport } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'

/** The server takes no larger value; the transport reads that. */
const largestBytes = 1_500_000
/** Short, so that what a crashed owner had comes soon. */
const leaseMs = 2_000

/** Runs the suite on one release of the server. */
export function testRelease(release: RedisRelease): void {
  let server: Server
  beforeAll(async () => {
    server = await startRedis({ release, lines: ['appendfsync always', `proto-max-bulk-len ${largestBytes}`] })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  testTransport(
    `Redis ${release}`,
    async () => {
      const proxies = new Map<Transport, FaultProxy>()
      return {
        async open(instance) {
          const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
          const context = { service: 'conformance', instance, clock: systemClock, onError: () => undefined }
          const transport = await redis(`redis://127.0.0.1:${proxy.port}`, { leaseMs })(context)
          proxies.set(transport, proxy)
          return transport
        },
        async crash(transport) {
          const proxy = proxies.get(transport)
          proxy?.set({ kind: 'refuse' })
          proxy?.reset()
        },
        async restartServer() {
          await server.restart()
        },
        refused: (message) => ({ ...message, body: new Uint8Array(largestBytes + 1) }),
        async dispose() {
          // Those that have crashed would go on knocking.
          await Promise.all([...proxies.keys()].map((transport) => transport[Symbol.asyncDispose]()))
          for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]()
        },
      }
    },
    { concurrent: true },
  )
}
