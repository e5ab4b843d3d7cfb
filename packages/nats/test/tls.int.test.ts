import {
  type Certificate,
  type Certificates,
  dataFolder,
  makeCertificates,
  type Server,
  startNats,
} from '@acuse-proof/servers'
import type { NatsOptions } from '@acuse/nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { message, open, publish, uniqueName } from './support.ts'

const secret = 'a secret&word'

let certificates: Certificates
let server: Server
beforeAll(async () => {
  certificates = await makeCertificates()
  server = await startTls(certificates.server)
})
afterAll(() => server[Symbol.asyncDispose]())

it('messages travel over TLS, with a certificate of the client and a password', async () => {
  const { transport } = await open(address(), { tls: trusted() })
  expect(await publish(transport, [message(uniqueName('stream'), '1')])).toEqual(['delivered'])
})

it('a password that is wrong is an error that does not tell it, nor the right one', async () => {
  const error = await refusal(address({ password: 'wrong-word' }), { tls: trusted() }, 'wrong-word')
  expect(error).toMatchObject(unavailable(/authorization violation/i))
})

it('a server of another authority is not trusted', async () => {
  expect(await refusal(address(), { tls: { ...trusted(), ca: certificates.strangerCa } })).toMatchObject(
    unavailable(/certificate|issuer/i),
  )
})

it('a certificate for another host is not trusted', async () => {
  await using other = await startTls(certificates.elsewhere)
  expect(await refusal(address({ port: other.port }), { tls: trusted() })).toMatchObject(unavailable(/altnames/i))
})

it('a client without a certificate is refused', async () => {
  expect(await refusal(address(), { tls: { ca: certificates.ca } })).toMatchObject(unavailable(/./))
})

function startTls({ cert, key }: Certificate): Promise<Server> {
  return startNats({
    release: '2.15',
    files: { 'ca.pem': certificates.ca, 'cert.pem': cert, 'key.pem': key },
    lines: [
      `tls { cert_file: "${dataFolder}/cert.pem", key_file: "${dataFolder}/key.pem", ca_file: "${dataFolder}/ca.pem", verify: true }`,
      `authorization { user: acuse, password: "${secret}" }`,
    ],
  })
}

function address({ port = server.port, password = secret } = {}): string {
  return `tls://acuse:${encodeURIComponent(password)}@localhost:${port}`
}

function trusted(): NonNullable<NatsOptions['tls']> {
  return { ca: certificates.ca, ...certificates.client }
}

const unavailable = (says: RegExp): object => ({
  code: 'ACUSE_TRANSPORT_UNAVAILABLE',
  message: expect.stringMatching(says),
})

/** Why opening fails, which can be shown to anybody, also what caused it. */
async function refusal(url: string, options: NatsOptions, ...secrets: readonly string[]): Promise<unknown> {
  const error: unknown = await open(url, options).catch((thrown: unknown) => thrown)
  for (let each = error; each instanceof Error; each = each.cause) {
    for (const word of [secret, encodeURIComponent(secret), ...secrets]) {
      expect(`${each.message} ${each.stack}`).not.toContain(word)
    }
  }
  return error
}
