import { converse } from '../conversation.ts'
import { rootOf, type Suite } from '../debian/suites.ts'
import { dataFolder } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from '../server.ts'

export type NatsRelease = '2.9' | '2.10'

const suiteOf: Readonly<Record<NatsRelease, Suite>> = { '2.9': 'bookworm', '2.10': 'trixie' }

export interface NatsOptions extends ServerOptions {
  readonly release: NatsRelease
  /** Lines for its settings beside those of this. */
  readonly lines?: readonly string[]
  /** Lines for the section jetstream, as `sync_interval: always`. */
  readonly jetstream?: readonly string[]
}

/** Starts a NATS server with JetStream, which keeps its streams in the server's data folder. */
export async function startNats(options: NatsOptions): Promise<Server> {
  const kind = kindOf(options, await freePort())
  return await started(new Server(kind, await newFolder('nats', options), options))
}

function kindOf({ release, lines = [], jetstream = [] }: NatsOptions, port: number): ServerKind {
  return {
    name: `NATS ${release}`,
    port,
    url: `nats://${host}:${port}`,
    root: rootOf(suiteOf[release]),
    command: ['nats-server', '--config', `${dataFolder}/nats.conf`],
    files: {
      'nats.conf': [
        `listen: "${host}:${port}"`,
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

/** The server speaks first: INFO and a line of JSON. */
async function greet(port: number): Promise<string> {
  return await converse(port, '', (received) => {
    const [, info] = /^INFO (\{.*\}) *\r\n/.exec(received.toString()) ?? []
    return info === undefined ? undefined : (JSON.parse(info) as { readonly version: string }).version
  })
}
