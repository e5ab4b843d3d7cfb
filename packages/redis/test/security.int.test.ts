import { inspect } from 'node:util'
import {
  type Certificate,
  type Certificates,
  freePort,
  makeCertificates,
  type Server,
  startRedis,
} from '@acuse-proof/servers'
import { AcuseError } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { open, operator, series, uniqueName } from './opened.ts'

const password = 'p@ss/word-canary'
let certificates: Certificates
/** One whose certificate is for this host, and one whose is for another. Both ask for a client's certificate and a password. */
let right: { readonly server: Server; readonly tlsPort: number }
let wrongHost: { readonly server: Server; readonly tlsPort: number }

async function start({ key, cert }: Certificate): Promise<{ server: Server; tlsPort: number }> {
  const tlsPort = await freePort()
  const server = await startRedis({
    release: '7.0',
    password,
    files: { 'server.key': key, 'server.crt': cert, 'ca.crt': certificates.ca },
    lines: [
      'appendfsync always',
      `tls-port ${tlsPort}`,
      'tls-cert-file /mnt/data/server.crt',
      'tls-key-file /mnt/data/server.key',
      'tls-ca-cert-file /mnt/data/ca.crt',
      'tls-auth-clients yes',
    ],
  })
  return { server, tlsPort }
}

beforeAll(async () => {
  certificates = await makeCertificates()
  right = await start(certificates.server)
  wrongHost = await start(certificates.elsewhere)
})
afterAll(async () => {
  await right.server[Symbol.asyncDispose]()
  await wrongHost.server[Symbol.asyncDispose]()
})

const address = (tlsPort: number, secret = password): string =>
  `rediss://:${encodeURIComponent(secret)}@127.0.0.1:${tlsPort}`

/** What opening fails with. It tells no secret, however much of it is shown. */
async function failure(opening: Promise<unknown>): Promise<AcuseError> {
  const error = await opening.then(
    () => expect.unreachable('it was opened'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof AcuseError)) return expect.unreachable(inspect(error))
  const shown = inspect(error, { depth: Infinity, showHidden: true })
  for (const secret of [password, encodeURIComponent(password), 'wrong-canary']) expect(shown).not.toContain(secret)
  expect(error.code).toBe('ACUSE_TRANSPORT_UNAVAILABLE')
  return error
}

it('with its own certificate and the right authority and password it opens and publishes', async () => {
  const { transport } = await open(address(right.tlsPort), { tls: { ca: certificates.ca, ...certificates.client } })
  const results = await transport.publish(series(uniqueName('stream'), 'a', 1), AbortSignal.timeout(5_000))
  expect(results).toEqual([{ state: 'delivered' }])
})

it('a server that another authority has signed is refused', async () => {
  const tls = { ca: certificates.strangerCa, ...certificates.client }
  expect((await failure(open(address(right.tlsPort), { tls }))).message).toMatch(/certificate|unable to verify/i)
})

it('a server whose certificate is for another host is refused', async () => {
  const tls = { ca: certificates.ca, ...certificates.client }
  expect((await failure(open(address(wrongHost.tlsPort), { tls }))).message).toMatch(/not in the cert/)
})

it('without a certificate of its own it is refused by the server', async () => {
  const error = await failure(open(address(right.tlsPort), { tls: { ca: certificates.ca } }))
  expect(error.message).toMatch(/certificate required|alert|closed|reset/i)
})

it('with a wrong password, or none, it is refused', async () => {
  const wrong = await failure(open(`redis://:wrong-canary@127.0.0.1:${right.server.port}`))
  expect(wrong.message).toMatch(/WRONGPASS/)
  const none = await failure(open(`redis://127.0.0.1:${right.server.port}`))
  expect(none.message).toMatch(/NOAUTH/)
})

it('where the password is changed while it is open the error says so, once, without either', async () => {
  const server = await startRedis({ release: '7.0', password, lines: ['appendfsync always'] })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const { errors } = await open(server.url)
  const client = operator(server.url)
  await client.config('SET', 'requirepass', 'wrong-canary')
  await client.call('CLIENT', ['KILL', 'TYPE', 'normal'])
  await eventually(() =>
    expect(errors.map(({ message }) => message)).toContainEqual(expect.stringMatching(/WRONGPASS/)),
  )
  for (const secret of [password, 'wrong-canary']) expect(inspect(errors, { depth: Infinity })).not.toContain(secret)
})
