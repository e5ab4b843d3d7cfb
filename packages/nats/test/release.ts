import { systemClock, type Transport } from '@acuse/core'
import { type NatsRelease, type Server, startNats } from '@acuse-proof/servers'
import { nats, type NatsOptions } from '@acuse/nats'
import { type FaultProxy, startFaultProxy } from '@acuse/testing'
import { testTransport } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'

const shapes: Readonly<Record<string, NatsOptions>> = {
  'priorities not heeded': {},
  'a lane for each priority': { prioritized: true },
}
/** Whoever crashes keeps its partitions for so long. On a busy machine a process stood still for 1.7 s. */
const leaseMs = 5_000
const largestBytes = 1_500_000

/** Runs the suite on one release of the server, in each shape that the transport can have. */
export function testRelease(release: NatsRelease): void {
  let server: Server
  beforeAll(async () => {
    server = await startNats({ release, lines: [`max_payload: ${largestBytes}`] })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  for (const [shape, options] of Object.entries(shapes)) {
    testTransport(
      `NATS ${release}, ${shape}`,
      async () => {
        const proxies = new Map<Transport, FaultProxy>()
        return {
          async open(instance) {
            const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
            const url = new URL(server.url)
            url.port = String(proxy.port)
            const context = { service: 'conformance', instance, clock: systemClock, onError: () => undefined }
            const transport = await nats(url.href, { ...options, leaseMs })(context)
            proxies.set(transport, proxy)
            return transport
          },
          async crash(transport) {
            const proxy = proxies.get(transport)
            proxy?.set({ kind: 'refuse' })
            proxy?.reset()
          },
          restartServer: () => server.restart(),
          refused: (message) => ({ ...message, body: new Uint8Array(largestBytes + 1) }),
          async dispose() {
            for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]()
          },
        }
      },
      { concurrent: true },
    )
  }
}
