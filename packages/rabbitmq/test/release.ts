import { pause, systemClock, type Transport } from '@acuse/core'
import { type RabbitMq, type RabbitMqRelease, startRabbitMq } from '@acuse-proof/servers'
import { rabbitmq, type RabbitMqOptions } from '@acuse/rabbitmq'
import { type FaultProxy, startFaultProxy } from '@acuse/testing'
import { testTransport } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'

const shapes: Readonly<Record<string, RabbitMqOptions>> = {
  'one queue a group': {},
  'a queue for each partition and priority': { partitioned: true, prioritized: true },
}
/** Each case makes its queues anew; only those of a case that kills the server have to be left alone first. */
const newQueueStoredMs = 1_500
const largestBytes = 1_500_000

/** Runs the suite on one release of the server, in each shape that the transport can have. */
export function testRelease(release: RabbitMqRelease): void {
  let server: RabbitMq
  beforeAll(async () => {
    server = await startRabbitMq({ release, conf: { max_message_size: String(largestBytes) } })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  // Partitions spread from 4.0 on; before it the second shape is one process's many queues, and takes a minute more.
  const shapesOfRelease = Object.entries(shapes).slice(0, release === '3.10' ? 1 : undefined)
  for (const [shape, options] of shapesOfRelease) {
    testTransport(
      `RabbitMQ ${release}, ${shape}`,
      async () => {
        const proxies = new Map<Transport, FaultProxy>()
        return {
          async open(instance) {
            const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
            const url = new URL(server.url)
            url.port = String(proxy.port)
            const context = { service: 'conformance', instance, clock: systemClock, onError: () => undefined }
            const transport = await rabbitmq(url.href, { ...options, newQueueMs: 0 })(context)
            proxies.set(transport, proxy)
            return transport
          },
          async crash(transport) {
            const proxy = proxies.get(transport)
            proxy?.set({ kind: 'refuse' })
            proxy?.reset()
          },
          async restartServer() {
            await pause(systemClock, newQueueStoredMs)
            await server.restart()
          },
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
