import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { inspect } from 'node:util'
import { type Certificate, type Certificates, makeCertificates } from '@acuse-proof/servers'
import { AcuseError, createBus, stream } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { Client, Pool, type PoolConfig } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { pg } from '../src/clients/pg.ts'
import { type EmbeddedServer, startEmbedded } from '../src/embedded/index.ts'
import { storeContext } from './store/store-fixture.ts'

const Ordered = stream('orders').message('ordered', { schema: z.object({ item: z.string() }) })
const user = 'shop'
const password = 'p@ss/word-canary'
const wrongPassword = 'wrong-canary'

let certificates: Certificates
let folder: string
let server: EmbeddedServer
beforeAll(async () => {
  certificates = await makeCertificates()
  folder = await mkdtemp(join(tmpdir(), 'acuse-tls-'))
  await chmod(folder, 0o755)
  server = await startEmbedded({ folder })
  await asSuperuser(`create role ${user} login password '${password}'`)
  await server.createDatabase('shop')
  await asSuperuser(`alter database shop owner to ${user}`)
  await writeFile(
    join(folder, 'data', 'pg_hba.conf'),
    `host all postgres 127.0.0.1/32 scram-sha-256\nhostssl shop ${user} 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n`,
  )
  await useCertificate(certificates.server)
}, 120_000)
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

it('publishes and consumes over TLS, with a certificate of its own, and with all its connections', async () => {
  const pool = new Pool(config())
  const bus = createBus({ service: 'shop', store: pg(pool) })
  const got: string[] = []
  bus.group('readers').on(Ordered, ({ data }) => void got.push(data.item))
  await bus.start()
  await bus.publishNow(Ordered({ item: 'tea' }))
  await eventually(() => expect(got).toEqual(['tea']))
  expect(
    await asSuperuser(`select count(*)::int as plain from pg_stat_ssl s join pg_stat_activity a using (pid)
      where a.usename = '${user}' and not s.ssl`),
  ).toEqual([{ plain: 0 }])
  await bus.stop()
  await pool.end()
})

it('a server that another authority has signed is refused', async () => {
  const ssl = { ...certificates.client, ca: certificates.strangerCa }
  expect(await refusal({ ssl })).toMatch(/ACUSE_STORE_UNAVAILABLE.*certificate/)
})

it('a server whose certificate is for another host is refused', async () => {
  await useCertificate(certificates.elsewhere)
  try {
    expect(await refusal()).toMatch(/ACUSE_STORE_UNAVAILABLE.*altnames/)
  } finally {
    await useCertificate(certificates.server)
  }
})

it('a server whose certificate has expired is refused, with an error that says so', async () => {
  await useCertificate(certificates.expired)
  try {
    expect(await refusal()).toMatch(/ACUSE_STORE_UNAVAILABLE.*certificate has expired/)
  } finally {
    await useCertificate(certificates.server)
  }
})

it('without a certificate, with that of a stranger, and without TLS it is refused by the server', async () => {
  expect(await refusal({ ssl: { ca: certificates.ca } })).toMatch(/ACUSE_CONFIGURATION.*valid client certificate/)
  expect(await refusal({ ssl: { ca: certificates.ca, ...certificates.stranger } })).toMatch(
    /ACUSE_STORE_UNAVAILABLE.*unknown ca/,
  )
  expect(await refusal({ ssl: false })).toMatch(/ACUSE_CONFIGURATION.*no encryption/)
})

it('with a wrong password it is refused', async () => {
  expect(await refusal({ password: wrongPassword })).toMatch(/ACUSE_CONFIGURATION.*password authentication failed/)
})

function config(changes: PoolConfig = {}): PoolConfig {
  const { ca, client } = certificates
  // By name: an address is not compared with the certificate by this client.
  const to = { host: 'localhost', port: server.port, database: 'shop', user, password }
  return { ...to, ssl: { ca, ...client }, ...changes }
}

/** What opening fails with. It tells no secret, however much of it is shown. */
async function refusal(changes: PoolConfig = {}): Promise<string> {
  const pool = new Pool(config(changes))
  try {
    const error = await pg(pool)(storeContext()).then(
      () => expect.unreachable('it was opened'),
      (reason: unknown) => reason,
    )
    const shown = inspect(error, { depth: Infinity, showHidden: true })
    for (const secret of [password, encodeURIComponent(password), wrongPassword, 'PRIVATE KEY']) {
      expect(shown).not.toContain(secret)
    }
    return error instanceof AcuseError ? `${error.code} ${error.message}` : shown
  } finally {
    await pool.end()
  }
}

/** What connects from now on meets this certificate. */
async function useCertificate({ cert, key }: Certificate): Promise<void> {
  const { uid, gid } = await stat(join(folder, 'data'))
  const files = { 'ca.pem': certificates.ca, 'server.pem': cert, 'server.key': key }
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, 'data', name)
    await writeFile(path, content, { mode: 0o600 })
    await chown(path, uid, gid)
  }
  const settings = { ssl: 'on', ssl_ca_file: 'ca.pem', ssl_cert_file: 'server.pem', ssl_key_file: 'server.key' }
  for (const [name, value] of Object.entries(settings)) await asSuperuser(`alter system set ${name} = '${value}'`)
  await asSuperuser('select pg_reload_conf()')
  await eventually(async () => expect(await presented()).toBe(cert.trim()))
}

/** The certificate that the server shows to whoever connects. */
async function presented(): Promise<string | null> {
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  // The request for TLS of PostgreSQL's protocol; it answers S where it does TLS.
  socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (answer.toString() !== 'S') return null
  const secure = tlsConnect({ socket, rejectUnauthorized: false })
  await once(secure, 'secureConnect')
  const certificate = secure.getPeerX509Certificate()?.toString().trim() ?? null
  secure.destroy()
  return certificate
}

async function asSuperuser(text: string): Promise<unknown[]> {
  const client = new Client(server.url())
  await client.connect()
  try {
    return (await client.query(text)).rows as unknown[]
  } finally {
    await client.end()
  }
}
