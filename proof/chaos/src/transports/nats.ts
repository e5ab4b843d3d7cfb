import { nats } from '@acuse/nats'
import { startNats } from '@acuse-proof/servers'
import { defaultPlan } from '../plan.ts'
import { passesBroker } from './broker-points.ts'
import type { ChaosTransport } from './transport.ts'

/** NATS with JetStream, which writes to disk before it answers. */
export const natsTransport: ChaosTransport = {
  name: 'nats',
  hasServer: true,
  from: 'earliest',
  passes: passesBroker,
  async start() {
    const server = await startNats({
      release: '2.10',
      lines: [`max_payload: ${defaultPlan.settings.transportMaxBytes}`],
      jetstream: ['sync_interval: always'],
    })
    return {
      host: '127.0.0.1',
      port: server.port,
      urlAt: (port) => `nats://127.0.0.1:${port}`,
      server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
  connect: (url, { leaseMs }) => nats(url, { leaseMs }),
}
