import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { freePort, type KafkaListener, type Server, startKafka } from '@acuse-proof/servers'
import { kafka } from '@acuse/kafka'
import { eventually, type FaultProxy, startFaultProxy } from '@acuse/testing'
import { testCredentials, uniqueName } from '@acuse/testing/conformance'
import { alterUserScramCredentialsV0, ConnectionPool } from '@platformatic/kafka'
import { afterAll, beforeAll } from 'vitest'
import { testLines, testOptions } from './support.ts'

const mechanism = 'SCRAM-SHA-256'
const ofMechanism = { mechanism: 1, iterations: 4_096 } as const
const port = await freePort()

let server: Server
let operator: ConnectionPool
/** A broker goes on with whoever is connected, whatever becomes of the password: what cuts connections is the network. */
let proxy: FaultProxy

beforeAll(async () => {
  proxy = await startFaultProxy({ host: '127.0.0.1', port })
  const listener: KafkaListener = { name: 'SECURED', protocol: 'SASL_PLAINTEXT', port, advertisedPort: proxy.port }
  server = await startKafka({
    listeners: [listener],
    lines: [
      ...testLines,
      `listener.name.secured.sasl.enabled.mechanisms=${mechanism}`,
      'listener.name.secured.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
    ],
  })
  operator = new ConnectionPool('operator')
})
afterAll(async () => {
  await operator.close()
  await server[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

testCredentials('Kafka', async () => {
  const user = { username: uniqueName('shop'), password: 'first-canary' }
  await letIn(user.username, user.password)
  return {
    user,
    open: (credentials) => kafka(`127.0.0.1:${proxy.port}`, { ...testOptions, sasl: { mechanism }, credentials }),
    async change(password) {
      await letIn(user.username, password)
      proxy.reset()
    },
    dispose: async () => undefined,
  }
})

/** Resolves once the broker takes the password, and the one before no more. */
async function letIn(username: string, password: string): Promise<void> {
  const salt = randomBytes(16)
  const saltedPassword = pbkdf2Sync(password, salt, ofMechanism.iterations, 32, 'sha256')
  const connection = await operator.get({ host: '127.0.0.1', port: server.port })
  await alterUserScramCredentialsV0.api.async(
    connection,
    [],
    [{ name: username, ...ofMechanism, salt, saltedPassword }],
  )
  await eventually(
    async () => {
      const pool = new ConnectionPool('probe', { sasl: { mechanism, username, password } })
      try {
        await pool.get({ host: '127.0.0.1', port })
      } finally {
        await pool.close()
      }
    },
    { timeoutMs: 20_000, everyMs: 50 },
  )
}
