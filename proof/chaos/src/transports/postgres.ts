import type { CrashPoint } from '@acuse/core'
import { postgres } from '@acuse/postgres'
import { streams } from '../messages.ts'
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
  hasServer: false,
  from: 'earliest',
  passes: (point) => !ofBrokers.includes(point),
  async start(server, name) {
    const url = await server.createDatabase(name)
    return {
      host: '127.0.0.1',
      port: server.port,
      urlAt: (port) => Object.assign(new URL(url), { port: String(port) }).href,
      server: null,
      [Symbol.asyncDispose]: async () => undefined,
    }
  },
  connect: (url, { leaseMs, retentionMs, rotateAfterMs, transportMaxBytes }) =>
    postgres({
      connection: url,
      connections: 3,
      streams,
      leaseMs,
      retentionMs,
      rotateAfterMs,
      maxMessageBytes: transportMaxBytes,
    }),
}
