import { startRabbitMq, startRabbitMqCluster } from '@acuse-proof/servers'
import { queueUnbound } from '../faults/queue-unbound.ts'
import { defaultPlan } from '../plan.ts'
import { passesBroker } from './broker-points.ts'
import { doorsOf } from './doors.ts'
import { nodesOf } from './nodes.ts'
import type { ChaosTransport } from './transport.ts'

const heartbeatMs = 2_000
const options = {
  release: '4.0',
  conf: { max_message_size: String(defaultPlan.settings.transportMaxBytes) },
} as const

/** RabbitMQ: one queue a group, whose consumers stand by for each other; in a cluster each queue is kept by all three. */
export const rabbitmqTransport: ChaosTransport = {
  name: 'rabbitmq',
  sizes: [1, 3],
  from: 'now',
  faults: [queueUnbound],
  passes: passesBroker,
  async start({ nodes: size }) {
    const broker = size === 1 ? await startRabbitMq(options) : await startRabbitMqCluster(options)
    const { nodes, cutOff } = nodesOf(broker)
    return {
      ports: nodes.map(({ port }) => port),
      doors: () => doorsOf(nodes),
      urlAt: (ports) => ports.map((port) => `amqp://guest:guest@127.0.0.1:${port}`).join(','),
      nodes,
      cutOff,
      [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
    }
  },
  connect: (url) => async (context) => {
    const { rabbitmq } = await import('@acuse/rabbitmq')
    return rabbitmq(url.split(','), { heartbeatMs })(context)
  },
}
