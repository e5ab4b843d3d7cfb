import { systemClock, type Transport } from '@acuse/core'
import { freePort, type KafkaListener, type Server, startKafka } from '@acuse-proof/servers'
import { kafka } from '@acuse/kafka'
import { type FaultProxy, startFaultProxy } from '@acuse/testing'
import { testTransport } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'
import { testLines, testOptions } from './support.ts'

/** A broker sends its clients to the addresses that it advertises, so each transport's proxy needs a listener. Cases open 8 at most. */
const mostTransports = 10
const largestBytes = 1_500_000

/** Runs the suite with one of the protocols for groups. */
export function testProtocol(groupProtocol: 'consumer' | 'classic'): void {
  let server: Server
  let listeners: readonly Required<KafkaListener>[]
  beforeAll(async () => {
    listeners = await Promise.all(Array.from({ length: mostTransports }, (_, index) => listener(index)))
    server = await startKafka({ lines: testLines, listeners })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  testTransport(
    `Kafka, protocol ${groupProtocol}`,
    async () => {
      const proxies = new Map<Transport, FaultProxy>()
      const free = [...listeners]
      return {
        async open(instance) {
          const { port, advertisedPort } = free.shift() ?? (await listener(mostTransports))
          const proxy = await startFaultProxy({ host: '127.0.0.1', port }, advertisedPort)
          const context = { service: 'conformance', instance, clock: systemClock, onError: () => undefined }
          const transport = await kafka(`127.0.0.1:${proxy.port}`, {
            ...testOptions,
            ...{ groupProtocol, maxMessageBytes: largestBytes },
          })(context)
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
          for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]()
        },
      }
    },
    { patienceMs: 30_000 },
  )
}

async function listener(index: number): Promise<Required<KafkaListener>> {
  return {
    name: `PROXIED${String.fromCharCode(65 + index)}`,
    protocol: 'PLAINTEXT',
    port: await freePort(),
    advertisedPort: await freePort(),
  }
}
