import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { AcuseError, systemClock } from '@acuse/core'
import {
  type Certificate,
  type Certificates,
  freePort,
  type KafkaListener,
  makeCertificates,
  type Server,
  startKafka,
} from '@acuse-proof/servers'
import { kafka, type KafkaOptions, type KafkaSasl } from '@acuse/kafka'
import { alterUserScramCredentialsV0, ConnectionPool } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { messageOf, open, testLines, testOptions, unique } from './support.ts'

const password = 'correct-horse-battery'
const wrongPassword = 'canary-of-a-secret'
const sha256 = 1
const iterations = 4_096

let server: Server
let certificates: Certificates
const secured: KafkaListener = { name: 'SECURED', protocol: 'SASL_SSL', port: await freePort() }
const mutual: KafkaListener = { name: 'MUTUAL', protocol: 'SSL', port: await freePort() }
const elsewhere: KafkaListener = { name: 'ELSEWHERE', protocol: 'SSL', port: await freePort() }

beforeAll(async () => {
  certificates = await makeCertificates()
  const stores = [secured, mutual, elsewhere].flatMap(({ name }) => {
    const prefix = `listener.name.${name.toLowerCase()}`
    return [
      `${prefix}.ssl.keystore.type=PEM`,
      `${prefix}.ssl.keystore.location=/mnt/data/${name === 'ELSEWHERE' ? 'elsewhere' : 'server'}.pem`,
      `${prefix}.ssl.truststore.type=PEM`,
      `${prefix}.ssl.truststore.location=/mnt/data/ca.pem`,
    ]
  })
  server = await startKafka({
    listeners: [secured, mutual, elsewhere],
    files: {
      'server.pem': inOne(certificates.server),
      'elsewhere.pem': inOne(certificates.elsewhere),
      'ca.pem': certificates.ca,
    },
    lines: [
      ...testLines,
      ...stores,
      'listener.name.mutual.ssl.client.auth=required',
      'listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256',
      `listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_app="${password}";`,
      'listener.name.secured.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;',
    ],
  })
  const salt = randomBytes(16)
  const saltedPassword = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const pool = new ConnectionPool('operator')
  const connection = await pool.get({ host: '127.0.0.1', port: server.port })
  const credentials = { name: 'app', mechanism: sha256, iterations, salt, saltedPassword }
  await alterUserScramCredentialsV0.api.async(connection, [], [credentials])
  await pool.close()
})
afterAll(() => server[Symbol.asyncDispose]())

/** Key and certificate in one, as Kafka takes them. */
const inOne = ({ key, cert }: Certificate): string => key + cert
const address = ({ port }: KafkaListener): string => `127.0.0.1:${port}`
const sasl = (mechanism: KafkaSasl['mechanism'], given = password): KafkaSasl => ({
  mechanism,
  username: 'app',
  password: given,
})

async function expectPublishing(listener: KafkaListener, options: KafkaOptions): Promise<void> {
  const { transport } = await open(address(listener), options)
  const results = await transport.publish([messageOf(unique('stream'), 'a')], AbortSignal.timeout(30_000))
  expect(results).toEqual([{ state: 'delivered' }])
}

/** Opens in vain, and gives all that can be seen of the error. */
async function failure(listener: KafkaListener, options: KafkaOptions): Promise<string> {
  const context = { service: 'test', instance: 'one', clock: systemClock, onError: () => undefined }
  const error: unknown = await kafka(address(listener), { ...testOptions, ...options })(context).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AcuseError)
  expect(error).toMatchObject({ code: 'ACUSE_TRANSPORT_UNAVAILABLE', retryable: true })
  return inspect(error, { depth: Infinity, showHidden: true })
}

describe('with certificates and passwords that are right', () => {
  it.each(['PLAIN', 'SCRAM-SHA-256'] as const)('a message is published by %s over TLS', async (mechanism) => {
    await expectPublishing(secured, { tls: { ca: certificates.ca }, sasl: sasl(mechanism) })
  })

  it('a message is published with a certificate of the client', async () => {
    await expectPublishing(mutual, { tls: { ca: certificates.ca, ...certificates.client } })
  })
})

describe('is refused, with an error that says why and holds no secret', () => {
  it.each(['PLAIN', 'SCRAM-SHA-256'] as const)('a wrong password by %s', async (mechanism) => {
    const told = await failure(secured, { tls: { ca: certificates.ca }, sasl: sasl(mechanism, wrongPassword) })
    expect(told).toMatch(/authentication failed/i)
    expect(told).not.toContain(wrongPassword)
    expect(told).not.toContain(Buffer.from(wrongPassword).toString('hex'))
  })

  it('a server of another authority', async () => {
    const told = await failure(secured, { tls: { ca: certificates.strangerCa }, sasl: sasl('PLAIN') })
    expect(told).toMatch(/self-signed certificate|unable to (verify|get)|certificate signature failure/)
    expect(told).not.toContain(password)
  })

  it('a server of another name', async () => {
    const told = await failure(elsewhere, { tls: { ca: certificates.ca } })
    expect(told).toMatch(/does not match certificate's altnames/)
  })

  it('a client without a certificate', async () => {
    const told = await failure(mutual, { tls: { ca: certificates.ca } })
    expect(told).toMatch(/certificate required|bad certificate|Connection closed|handshake failure|ECONNRESET/)
    expect(told).not.toContain('PRIVATE KEY')
  })

  it('a client that does not speak TLS to a server that does', async () => {
    expect(await failure(mutual, {})).toMatch(/Broker requires TLS|Connection closed|timed out/)
  })
})
