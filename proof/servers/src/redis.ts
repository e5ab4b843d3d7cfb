import { converse } from './conversation.ts'
import { rootOf, type Suite } from './debian/suites.ts'
import { dataFolder } from './jail.ts'
import { freePort, host } from './ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from './server.ts'

export type RedisRelease = '7.0' | '8.0'

const suiteOf: Readonly<Record<RedisRelease, Suite>> = { '7.0': 'bookworm', '8.0': 'trixie' }

export interface RedisOptions extends ServerOptions {
  readonly release: RedisRelease
  /** What clients have to say. Default: nothing. */
  readonly password?: string
  /** Lines for redis.conf, as `appendfsync always`. They win over those of this. */
  readonly lines?: readonly string[]
}

/** Starts a Redis that writes its append-only file, so that a killed process loses nothing. */
export async function startRedis(options: RedisOptions): Promise<Server> {
  const kind = kindOf(options, await freePort())
  return await started(new Server(kind, await newFolder('redis', options), options))
}

function kindOf({ release, password, lines = [] }: RedisOptions, port: number): ServerKind {
  return {
    name: `Redis ${release}`,
    port,
    url: `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${host}:${port}`,
    root: rootOf(suiteOf[release]),
    command: ['redis-server', `${dataFolder}/redis.conf`],
    files: {
      'redis.conf': [
        'appendonly yes',
        'save ""',
        ...(password === undefined ? [] : [`requirepass "${password}"`]),
        ...lines,
        `bind ${host}`,
        `port ${port}`,
        `dir ${dataFolder}`,
        'logfile ""',
        '',
      ].join('\n'),
    },
    ready: async () => await greet(port, password),
  }
}

/** While it still loads its data it answers the ping with an error. */
async function greet(port: number, password: string | undefined): Promise<string> {
  const auth = password === undefined ? '' : `AUTH "${password}"\r\n`
  return await converse(port, `${auth}PING\r\nINFO server\r\n`, (received) => {
    const text = received.toString()
    const [, version] = /\+PONG\r\n[^]*redis_version:(\S+)\r\n/.exec(text) ?? []
    if (text.includes('-LOADING')) throw new Error('It still loads its data.')
    return version
  })
}
