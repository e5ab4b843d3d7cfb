import type { CrashPoint } from '@acuse/core'
import { streams } from '../messages.ts'
import { doorsOf, urlAtPort } from './doors.ts'
import type { ChaosTransport } from './transport.ts'

/** The log does without what the transports of brokers share. */
const ofBrokers: readonly CrashPoint[] = [
  'transport.beforeSend',
  'transport.afterConfirm',
  'transport.beforeAck',
  'transport.afterAck',
]

/** PostgreSQL between the services, in a database of its own on the server that holds theirs: one server's faults hit both. */
export const postgresTransport: ChaosTransport = {
  name: 'postgres',
  sizes: [],
  from: 'earliest',
  passes: (point) => !ofBrokers.includes(point),
  async start({ server, name }) {
    const url = await server.createDatabase(name)
    return {
      ports: [server.port],
      doors: () => doorsOf([server]),
      urlAt: ([port]) => urlAtPort(url, port),
      nodes: [],
      cutOff: undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  },
  connect:
    (url, { leaseMs, retentionMs, rotateAfterMs, transportMaxBytes }) =>
    async (context) => {
      const { postgres } = await import('@acuse/postgres')
      return postgres({
        connection: url,
        connections: 3,
        streams,
        leaseMs,
        retentionMs,
        rotateAfterMs,
        maxMessageBytes: transportMaxBytes,
      })(context)
    },
}
