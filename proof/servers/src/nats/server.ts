import { converse } from '../conversation.ts'
import { rootOf, type Suite } from '../debian/suites.ts'
import { dataFolder } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from '../server.ts'
import { natsFolder } from './install.ts'

/** Debian's two, and the newest. */
export type NatsRelease = '2.9' | '2.10' | '2.15'

const suiteOf: Readonly<Record<Exclude<NatsRelease, '2.15'>, Suite>> = { '2.9': 'bookworm', '2.10': 'trixie' }

export interface NatsOptions extends ServerOptions {
  readonly release: NatsRelease
  /** Lines for its settings beside those of this. */
  readonly lines?: readonly string[]
  /** Lines for the section jetstream, as `sync_interval: always`. */
  readonly jetstream?: readonly string[]
}

/** A NATS server with JetStream. */
export class Nats extends Server {
  readonly #monitoringPort: number

  constructor(kind: ServerKind, folder: string, options: NatsOptions, monitoringPort: number) {
    super(kind, folder, options)
    this.#monitoringPort = monitoringPort
  }

  /** What the clients that are connected to it call themselves. */
  async clientNames(): Promise<readonly string[]> {
    const answer = await get(this.#monitoringPort, '/connz')
    const { connections } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as {
      readonly connections: readonly { readonly name: string }[]
    }
    return connections.map(({ name }) => name)
  }

  /** @throws Error as long as it says that something of it, JetStream most of all, is not ready. */
  async checkHealth(): Promise<void> {
    await checkHealth(this.#monitoringPort)
  }
}

/** Starts a NATS server with JetStream, which keeps its streams in the server's data folder. */
export async function startNats(options: NatsOptions): Promise<Nats> {
  const monitoringPort = await freePort()
  const kind = await natsKind(options, monitoringPort)
  const alone: ServerKind = {
    ...kind,
    ready: async (log) => {
      const version = await kind.ready(log)
      await checkHealth(monitoringPort)
      return version
    },
  }
  return await started(new Nats(alone, await newFolder('nats', options), options, monitoringPort))
}

/** A server that is ready when it takes connections; in a cluster JetStream may wait for the others. */
export async function natsKind(options: NatsOptions, monitoringPort: number): Promise<ServerKind> {
  const { release, lines = [], jetstream = [] } = options
  const port = await freePort()
  return {
    name: `NATS ${release}`,
    port,
    url: `nats://${host}:${port}`,
    ...programOf(release),
    files: {
      'nats.conf': [
        `listen: "${host}:${port}"`,
        `http: "${host}:${monitoringPort}"`,
        'jetstream {',
        `  store_dir: "${dataFolder}/jetstream"`,
        ...jetstream.map((line) => `  ${line}`),
        '}',
        ...lines,
        '',
      ].join('\n'),
    },
    ready: async () => await greet(port),
  }
}

function programOf(release: NatsRelease): Pick<ServerKind, 'root' | 'folders' | 'command'> {
  const settings = ['--config', `${dataFolder}/nats.conf`]
  if (release !== '2.15') return { root: rootOf(suiteOf[release]), command: ['nats-server', ...settings] }
  return { root: '/', folders: { nats: natsFolder() }, command: ['/mnt/nats/nats-server', ...settings] }
}

/** The server speaks first: INFO and a line of JSON. */
async function greet(port: number): Promise<string> {
  return await converse(port, '', (received) => {
    const [, info] = /^INFO (\{.*\}) *\r\n/.exec(received.toString()) ?? []
    return info === undefined ? undefined : (JSON.parse(info) as { readonly version: string }).version
  })
}

async function checkHealth(port: number): Promise<void> {
  const answer = await get(port, '/healthz')
  if (!answer.startsWith('HTTP/1.0 200')) throw new Error(`NATS is not healthy: ${answer}`)
}

/** The whole answer of its monitoring port. */
async function get(port: number, path: string): Promise<string> {
  return await converse(port, `GET ${path} HTTP/1.0\r\n\r\n`, (received) => {
    const text = received.toString()
    const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(text) ?? []
    const body = text.indexOf('\r\n\r\n') + 4
    return length !== undefined && body >= 4 && received.length - body >= Number(length) ? text : undefined
  })
}
