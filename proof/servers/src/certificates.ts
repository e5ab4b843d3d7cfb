import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './commands.ts'

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** What a test of TLS needs. All of it is signed by `ca`, but for `stranger`, which another one has signed. */
export interface Certificates {
  readonly ca: string
  /** For `127.0.0.1` and `localhost`. */
  readonly server: Certificate
  /** For `elsewhere.example` alone. */
  readonly elsewhere: Certificate
  /** For here, but its time is over. */
  readonly expired: Certificate
  readonly client: Certificate
  readonly stranger: Certificate
  /** The authority that has signed `stranger`. */
  readonly strangerCa: string
}

const timeoutMs = 30_000
const days = '2'

/** Makes an authority, and the certificates of a server and of a client, with the host's openssl. They are good for two days. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-certificates-'))
  try {
    const authority = await makeAuthority(folder, 'ca')
    const other = await makeAuthority(folder, 'other')
    const here = 'IP:127.0.0.1,DNS:localhost'
    return {
      ca: authority,
      server: await sign(folder, 'server', 'ca', here),
      elsewhere: await sign(folder, 'elsewhere', 'ca', 'DNS:elsewhere.example'),
      expired: await sign(folder, 'expired', 'ca', here, '0'),
      client: await sign(folder, 'acuse-client', 'ca', 'DNS:acuse-client'),
      stranger: await sign(folder, 'stranger', 'other', here),
      strangerCa: other,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeAuthority(folder: string, name: string): Promise<string> {
  const basic = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
  await openssl(folder, [...request(name), '-x509', '-days', days, '-out', `${name}.pem`, ...basic])
  return readFile(join(folder, `${name}.pem`), 'utf8')
}

async function sign(
  folder: string,
  name: string,
  authority: string,
  subjects: string,
  validDays = days,
): Promise<Certificate> {
  await openssl(folder, [...request(name), '-out', `${name}.csr`])
  await writeFile(join(folder, `${name}.ext`), `subjectAltName=${subjects}\nbasicConstraints=CA:FALSE\n`)
  const by = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial']
  const signed = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.pem`, '-days', validDays]
  await openssl(folder, ['x509', '-req', ...by, ...signed])
  return {
    cert: await readFile(join(folder, `${name}.pem`), 'utf8'),
    key: await readFile(join(folder, `${name}.key`), 'utf8'),
  }
}

function request(name: string): string[] {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', `${name}.key`]
  return ['req', ...key, '-subj', `/CN=${name}`]
}

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  await run(['openssl', ...args], { timeoutMs, cwd: folder })
}
