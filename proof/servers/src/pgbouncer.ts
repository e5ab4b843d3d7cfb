import { converse } from './conversation.ts'
import { rootOf } from './debian/suites.ts'
import { dataFolder } from './jail.ts'
import { freePort, host } from './ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from './server.ts'

export interface PgBouncerOptions extends ServerOptions {
  /** Address of the PostgreSQL behind it, with user and password, who are those of its clients too. */
  readonly upstream: string
  /** Lines for the section [pgbouncer] of its settings, as `pool_mode = session`. They win over those of this. */
  readonly lines?: readonly string[]
  /** More for single databases, as in `{ orders: 'pool_size=2' }`. Every other is passed on as it is asked for. */
  readonly databases?: Readonly<Record<string, string>>
}

/** A pooler in front of a PostgreSQL. */
export class PgBouncer extends Server {
  /** The address of a database through it. */
  urlOf(database: string): string {
    const url = new URL(this.url)
    url.pathname = `/${encodeURIComponent(database)}`
    return url.href
  }
}

/** Starts PgBouncer 1.18 in front of a PostgreSQL. Its connections are pooled by transaction. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const kind = kindOf(options, await freePort())
  return await started(new PgBouncer(kind, await newFolder('pgbouncer', options), options))
}

function kindOf({ upstream, lines = [], databases = {} }: PgBouncerOptions, port: number): ServerKind {
  const behind = new URL(upstream)
  const [user, password] = [decodeURIComponent(behind.username), decodeURIComponent(behind.password)]
  const at = `host=${behind.hostname} port=${behind.port === '' ? '5432' : behind.port}`
  const url = new URL(upstream)
  url.host = `${host}:${port}`
  return {
    name: 'PgBouncer 1.18',
    port,
    url: url.href,
    root: rootOf('bookworm'),
    command: ['pgbouncer', `${dataFolder}/pgbouncer.ini`],
    files: {
      'pgbouncer.ini': [
        '[databases]',
        ...Object.entries(databases).map(([name, more]) => `${name} = ${at} ${more}`),
        `* = ${at}`,
        '[pgbouncer]',
        'auth_type = scram-sha-256',
        `auth_file = ${dataFolder}/users.txt`,
        'pool_mode = transaction',
        'max_client_conn = 1000',
        'unix_socket_dir =',
        ...lines,
        `listen_addr = ${host}`,
        `listen_port = ${port}`,
        '',
      ].join('\n'),
      'users.txt': `${quoted(user)} ${quoted(password)}\n`,
    },
    ready: async (log) => {
      await converse(port, sslRequest, (answer) => (answer.length > 0 ? true : undefined))
      const [, version] = /process up: PgBouncer (\S+),/.exec(log) ?? []
      if (version === undefined) throw new Error('Its log does not yet say that it is up.')
      return version
    },
  }
}

/** "Do you speak TLS?", which every server of PostgreSQL's protocol answers with one letter. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}
