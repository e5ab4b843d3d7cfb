import { freePort, type KafkaListener, startKafka, startKafkaCluster } from '@acuse-proof/servers'
import { defaultPlan } from '../plan.ts'
import { passesBroker } from './broker-points.ts'
import { loadKafka } from './kafka-client.ts'
import { nodesOf } from './nodes.ts'
import type { ChaosTransport } from './transport.ts'

const { leaseMs } = defaultPlan.settings
const heartbeatMs = 300

const lines = [
  'auto.create.topics.enable=false',
  // A member that is gone is missed as soon as one of the other transports. By default that takes 45 s.
  'group.consumer.min.session.timeout.ms=1000',
  `group.consumer.session.timeout.ms=${leaseMs}`,
  'group.consumer.min.heartbeat.interval.ms=100',
  `group.consumer.heartbeat.interval.ms=${heartbeatMs}`,
  'group.consumer.min.assignment.interval.ms=0',
  'group.consumer.assignment.interval.ms=0',
  // A listener for each process behind proxies; each would have three threads.
  'num.network.threads=1',
]

/** Kafka, whose brokers send each process to where its own proxies listen; in a cluster each topic is kept by all three. */
export const kafkaTransport: ChaosTransport = {
  name: 'kafka',
  sizes: [1, 3],
  from: 'earliest',
  passes: passesBroker,
  async start({ nodes: size, proxied }) {
    const listeners = await Promise.all(Array.from({ length: size }, () => listenersOf(proxied)))
    const broker =
      size === 1
        ? await startKafka({ lines, listeners: listeners.flat() })
        : await startKafkaCluster({ lines, listenersByNode: listeners })
    const { nodes, cutOff } = nodesOf(broker)
    return {
      ports: nodes.map(({ port }) => port),
      doors: (n) =>
        listeners.flatMap((ofNode) =>
          ofNode.slice(n, n + 1).map(({ port, advertisedPort }) => ({
            host: '127.0.0.1',
            port,
            proxyPort: advertisedPort,
          })),
        ),
      urlAt: (ports) => ports.map((port) => `127.0.0.1:${port}`).join(','),
      nodes,
      cutOff,
      [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
    }
  },
  connect:
    (url, { transportMaxBytes }, nodes) =>
    async (context) => {
      const { kafka } = await loadKafka()
      return kafka(url, { replicationFactor: nodes, heartbeatMs, maxMessageBytes: transportMaxBytes })(context)
    },
}

function listenersOf(count: number): Promise<readonly Required<KafkaListener>[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => ({
      // A listener's name is made of letters.
      name: `PROXIED${String.fromCharCode('A'.charCodeAt(0) + n)}`,
      protocol: 'PLAINTEXT' as const,
      port: await freePort(),
      advertisedPort: await freePort(),
    })),
  )
}
