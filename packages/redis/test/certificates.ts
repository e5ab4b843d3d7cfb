import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface KeyPair {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  readonly ca: string
  /** For 127.0.0.1. */
  readonly server: KeyPair
  /** For another host. */
  readonly elsewhere: KeyPair
  readonly client: KeyPair
  /** Of an authority that signed none of these. */
  readonly otherCa: string
}

/** Makes an authority and what it signs, for a day. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-certificates-'))
  try {
    await makeAuthority(folder, 'ca')
    await makeAuthority(folder, 'other')
    const server = await makeSigned(folder, 'server', 'IP:127.0.0.1')
    const elsewhere = await makeSigned(folder, 'elsewhere', 'DNS:redis.example')
    const client = await makeSigned(folder, 'client', 'DNS:client.example')
    const [ca, otherCa] = await Promise.all(
      ['ca', 'other'].map((name) => readFile(join(folder, `${name}.crt`), 'utf8')),
    )
    return { ca: ca ?? '', otherCa: otherCa ?? '', server, elsewhere, client }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

async function makeAuthority(cwd: string, name: string): Promise<void> {
  const out = ['-keyout', `${name}.key`, '-out', `${name}.crt`, '-days', '1', '-subj', `/CN=${name}`]
  await run('openssl', ['req', '-x509', ...newKey, ...out], { cwd })
}

async function makeSigned(cwd: string, name: string, host: string): Promise<KeyPair> {
  const request = ['-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`]
  await run('openssl', ['req', ...newKey, ...request], { cwd })
  await writeFile(join(cwd, `${name}.ext`), `subjectAltName=${host}\n`)
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', `${name}.ext`]
  await run('openssl', ['x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signing], { cwd })
  const [key, cert] = await Promise.all(['key', 'crt'].map((kind) => readFile(join(cwd, `${name}.${kind}`), 'utf8')))
  return { key: key ?? '', cert: cert ?? '' }
}
