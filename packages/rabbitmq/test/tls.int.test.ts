import type { AcuseError } from '@acuse/core'
import {
  type Certificates,
  dataFolder,
  freePort,
  makeCertificates,
  type RabbitMq,
  startRabbitMq,
} from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { Collector, uniqueName, wire } from '@acuse/testing/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open, refusal } from './support.ts'

const user = 'shop'
const password = 's3cret-p%40ss'

describe.each(['3.10', '4.0'] as const)('RabbitMQ %s by TLS', (release) => {
  let certificates: Certificates
  let server: RabbitMq
  let misnamed: RabbitMq
  const ports = { server: 0, misnamed: 0 }

  async function start(certificate: Certificates['server'], port: number): Promise<RabbitMq> {
    const started = await startRabbitMq({
      release,
      files: { 'ca.pem': certificates.ca, 'server.pem': certificate.cert, 'server.key': certificate.key },
      conf: {
        'listeners.ssl.1': `127.0.0.1:${port}`,
        'ssl_options.cacertfile': `${dataFolder}/ca.pem`,
        'ssl_options.certfile': `${dataFolder}/server.pem`,
        'ssl_options.keyfile': `${dataFolder}/server.key`,
        'ssl_options.verify': 'verify_peer',
        'ssl_options.fail_if_no_peer_cert': 'true',
      },
    })
    await started.rabbitmqctl(['add_user', user, decodeURIComponent(password)])
    await started.rabbitmqctl(['set_permissions', user, '.*', '.*', '.*'])
    return started
  }

  beforeAll(async () => {
    certificates = await makeCertificates()
    ports.server = await freePort()
    ports.misnamed = await freePort()
    server = await start(certificates.server, ports.server)
    misnamed = await start(certificates.elsewhere, ports.misnamed)
  }, 120_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await misnamed[Symbol.asyncDispose]()
  })

  const url = (port: number, word = password): string => `amqps://${user}:${word}@127.0.0.1:${port}`

  it('publishes and consumes with a certificate of its own', async () => {
    const { ca, client } = certificates
    await using opened = await open(url(ports.server), { tls: { ca, ...client } })
    const stream = uniqueName('stream')
    const got = new Collector()
    await opened.consume({ stream }, got)
    await opened.transport.publish([wire('a1', { stream, key: 'a' })], AbortSignal.timeout(10_000))
    await eventually(() => expect(got.labels()).toEqual(['a1']))
  })

  it('refuses a server whose certificate somebody else has signed, or that is for another host', async () => {
    const { ca, client, strangerCa } = certificates
    await expectSecretKept(refusal(open(url(ports.server), { tls: { ca: strangerCa, ...client } })), /certificate/)
    await expectSecretKept(refusal(open(url(ports.misnamed), { tls: { ca, ...client } })), /altnames|host/i)
  })

  it('is refused without a certificate, with that of a stranger, and with a wrong password', async () => {
    const { ca, client, stranger } = certificates
    await expectSecretKept(refusal(open(url(ports.server), { tls: { ca } })))
    await expectSecretKept(refusal(open(url(ports.server), { tls: { ca, ...stranger } })))
    const wrong = refusal(open(url(ports.server, 'wr0ng-p%40ss'), { tls: { ca, ...client } }))
    await expectSecretKept(wrong, /ACCESS_REFUSED/)
  })
})

async function expectSecretKept(refused: Promise<AcuseError>, says = /127\.0\.0\.1/): Promise<void> {
  const error = await refused
  expect(error.code).toBe('ACUSE_TRANSPORT_UNAVAILABLE')
  expect(error.message).toMatch(says)
  for (const secret of [password, decodeURIComponent(password), 'wr0ng']) {
    expect(error.message).not.toContain(secret)
    expect(String(error.cause)).not.toContain(secret)
  }
}
