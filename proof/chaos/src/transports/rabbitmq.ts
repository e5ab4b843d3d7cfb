import { rabbitmq } from '@acuse/rabbitmq'
import { startRabbitMq } from '@acuse-proof/servers'
import { defaultPlan } from '../plan.ts'
import { passesBroker } from './broker-points.ts'
import type { ChaosTransport } from './transport.ts'

const heartbeatMs = 2_000

/** RabbitMQ, a node of its own: one queue a group, whose consumers stand by for each other. */
export const rabbitmqTransport: ChaosTransport = {
  name: 'rabbitmq',
  hasServer: true,
  from: 'now',
  passes: passesBroker,
  async start() {
    const server = await startRabbitMq({
      release: '4.0',
      conf: { max_message_size: String(defaultPlan.settings.transportMaxBytes) },
    })
    return {
      host: '127.0.0.1',
      port: server.port,
      urlAt: (port) => Object.assign(new URL(server.url), { port: String(port) }).href,
      server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  connect: (url) => rabbitmq(url, { heartbeatMs }),
}
