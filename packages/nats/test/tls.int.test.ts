import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Server, startNats } from '@acuse-proof/servers'
import type { NatsOptions } from '@acuse/nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { message, open, publish, uniqueName } from './support.ts'

const run = promisify(execFile)
const secret = 'a secret&word'
/** Where the server sees its files. */
const at = '/mnt/data'

interface Certificates {
  readonly ca: string
  readonly otherCa: string
  readonly serverCert: string
  readonly serverKey: string
  /** Of another host. */
  readonly otherCert: string
  readonly otherKey: string
  readonly clientCert: string
  readonly clientKey: string
}

let folder: string
let certificates: Certificates
let server: Server
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'acuse-tls-'))
  certificates = await certify()
  server = await startTls(certificates.serverCert, certificates.serverKey)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

it('messages travel over TLS, with a certificate of the client and a password', async () => {
  const { transport } = await open(address(), { tls: trusted() })
  expect(await publish(transport, [message(uniqueName('stream'), '1')])).toEqual(['delivered'])
})

it('a password that is wrong is an error that does not tell it, nor the right one', async () => {
  const error = await refusal(address({ password: 'wrong-word' }), { tls: trusted() }, 'wrong-word')
  expect(error).toMatchObject(unavailable(/authorization violation/i))
})

it('a server of another authority is not trusted', async () => {
  expect(await refusal(address(), { tls: { ...trusted(), ca: certificates.otherCa } })).toMatchObject(
    unavailable(/certificate|issuer/i),
  )
})

it('a certificate for another host is not trusted', async () => {
  await using other = await startTls(certificates.otherCert, certificates.otherKey)
  expect(await refusal(address({ port: other.port }), { tls: trusted() })).toMatchObject(unavailable(/altnames/i))
})

it('a client without a certificate is refused', async () => {
  expect(await refusal(address(), { tls: { ca: certificates.ca } })).toMatchObject(unavailable(/./))
})

function startTls(cert: string, key: string): Promise<Server> {
  return startNats({
    release: '2.15',
    files: { 'ca.pem': certificates.ca, 'cert.pem': cert, 'key.pem': key },
    lines: [
      `tls { cert_file: "${at}/cert.pem", key_file: "${at}/key.pem", ca_file: "${at}/ca.pem", verify: true }`,
      `authorization { user: acuse, password: "${secret}" }`,
    ],
  })
}

function address({ port = server.port, password = secret } = {}): string {
  return `tls://acuse:${encodeURIComponent(password)}@localhost:${port}`
}

function trusted(): NonNullable<NatsOptions['tls']> {
  const { ca, clientCert: cert, clientKey: key } = certificates
  return { ca, cert, key }
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

async function certify(): Promise<Certificates> {
  const [ca, otherCa] = [await authority('ca'), await authority('other')]
  const serverPair = await signed('server', 'ca', 'subjectAltName=DNS:localhost')
  const otherPair = await signed('elsewhere', 'ca', 'subjectAltName=DNS:elsewhere.example')
  const clientPair = await signed('client', 'ca', 'extendedKeyUsage=clientAuth')
  return {
    ca,
    otherCa,
    serverCert: serverPair.cert,
    serverKey: serverPair.key,
    otherCert: otherPair.cert,
    otherKey: otherPair.key,
    clientCert: clientPair.cert,
    clientKey: clientPair.key,
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const

async function authority(name: string): Promise<string> {
  await openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    file(name, 'key'),
    '-out',
    file(name, 'cert'),
    '-subj',
    `/CN=${name}`,
  )
  return readFile(file(name, 'cert'), 'utf8')
}

async function signed(name: string, by: string, extension: string): Promise<{ cert: string; key: string }> {
  await openssl('req', ...newKey, '-keyout', file(name, 'key'), '-out', file(name, 'csr'), '-subj', `/CN=${name}`)
  await writeFile(file(name, 'ext'), extension)
  const authorityFiles = ['-CA', file(by, 'cert'), '-CAkey', file(by, 'key'), '-CAcreateserial']
  const asked = ['-in', file(name, 'csr'), '-extfile', file(name, 'ext'), '-days', '2']
  await openssl('x509', '-req', ...asked, ...authorityFiles, '-out', file(name, 'cert'))
  return { cert: await readFile(file(name, 'cert'), 'utf8'), key: await readFile(file(name, 'key'), 'utf8') }
}

function file(name: string, kind: string): string {
  return join(folder, `${name}.${kind}`)
}

async function openssl(...parameters: readonly string[]): Promise<void> {
  await run('openssl', parameters)
}
