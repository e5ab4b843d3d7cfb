import { startNats, startNatsCluster } from '@acuse-proof/servers'
import { defaultPlan } from '../plan.ts'
import { passesBroker } from './broker-points.ts'
import { doorsOf } from './doors.ts'
import { nodesOf } from './nodes.ts'
import type { ChaosTransport } from './transport.ts'

const options = {
  release: '2.10',
  lines: [`max_payload: ${defaultPlan.settings.transportMaxBytes}`],
  jetstream: ['sync_interval: always'],
} as const

/** NATS with JetStream, which writes to disk before it answers; in a cluster each stream is kept by all three. */
export const natsTransport: ChaosTransport = {
  name: 'nats',
  sizes: [1, 3],
  from: 'earliest',
  passes: passesBroker,
  async start({ nodes: size }) {
    const broker = size === 1 ? await startNats(options) : await startNatsCluster(options)
    const { nodes, cutOff } = nodesOf(broker)
    return {
      ports: nodes.map(({ port }) => port),
      doors: () => doorsOf(nodes),
      urlAt: (ports) => ports.map((port) => `nats://127.0.0.1:${port}`).join(','),
      nodes,
      cutOff,
      [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
    }
  },
  connect:
    (url, { leaseMs }, nodes) =>
    async (context) => {
      const { nats } = await import('@acuse/nats')
      return nats(url, { leaseMs, replicas: nodes })(context)
    },
}
