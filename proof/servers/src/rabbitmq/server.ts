import { randomBytes } from 'node:crypto'
import { run } from '../commands.ts'
import { rootOf, type Suite } from '../debian/suites.ts'
import { dataFolder, jailed } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from '../server.ts'
import { greet } from './greeting.ts'

export type RabbitMqRelease = '3.10' | '4.0'

const suiteOf: Readonly<Record<RabbitMqRelease, Suite>> = { '3.10': 'bookworm', '4.0': 'trixie' }

const controlTimeoutMs = 60_000

export interface RabbitMqOptions extends ServerOptions {
  readonly release: RabbitMqRelease
  /** Settings of rabbitmq.conf, as in `{ heartbeat: '5' }`, before those that this needs for itself. */
  readonly conf?: Readonly<Record<string, string>>
  /** Plugins to enable, as `rabbitmq_management`. Default: none. */
  readonly plugins?: readonly string[]
}

/** A node of RabbitMQ: its broker, and the epmd of its own that Erlang wants. */
export class RabbitMq extends Server {
  readonly #env: Readonly<Record<string, string>>

  constructor(kind: ServerKind, folder: string, options: RabbitMqOptions) {
    super(kind, folder, options)
    this.#env = { ...kind.env }
  }

  /**
   * Runs `rabbitmqctl` on this node and answers what it printed.
   *
   * @throws Error with its output when it fails, or takes more than 60 s.
   */
  async rabbitmqctl(args: readonly string[]): Promise<string> {
    const command = jailed(this.jail, ['/usr/lib/rabbitmq/bin/rabbitmqctl', ...args])
    return await run(command, { timeoutMs: controlTimeoutMs, env: { ...this.#env } })
  }
}

/** Starts a node of RabbitMQ that serves AMQP to the user guest, on its own data. */
export async function startRabbitMq(options: RabbitMqOptions): Promise<RabbitMq> {
  const kind = await kindOf(options)
  return await started(new RabbitMq(kind, await newFolder('rabbitmq', options), options))
}

async function kindOf({ release, conf, plugins = [] }: RabbitMqOptions): Promise<ServerKind> {
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const settings = {
    'disk_free_limit.absolute': '50MB',
    // Nobody looks at them here, and gathering them costs.
    collect_statistics: 'none',
    'log.console.level': 'info',
    ...conf,
    'listeners.tcp.1': `${host}:${port}`,
    'log.console': 'true',
    'log.file': 'false',
  }
  return {
    name: `RabbitMQ ${release}`,
    port,
    url: `amqp://guest:guest@${host}:${port}`,
    root: rootOf(suiteOf[release]),
    command: ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
    env: environment(distributionPort, epmdPort),
    files: {
      '.erlang.cookie': randomBytes(15).toString('hex'),
      'rabbitmq.conf': Object.entries(settings)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
      enabled_plugins: `[${plugins.join(',')}].\n`,
    },
    ready: async (log) => {
      const version = await greet(port)
      // It listens before its plugins do, and a node that is told to stop in between fails its start.
      if (!log.includes('Server startup complete')) throw new Error('It still starts.')
      return version
    },
  }
}

function environment(distributionPort: number, epmdPort: number): Readonly<Record<string, string>> {
  const onLoopback = '-kernel inet_dist_use_interface {127,0,0,1}'
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: dataFolder,
    // Its script then becomes the server; otherwise it stays as its parent.
    detached: 'true',
    RABBITMQ_NODENAME: 'rabbit@localhost',
    RABBITMQ_CONFIG_FILE: `${dataFolder}/rabbitmq.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${dataFolder}/enabled_plugins`,
    RABBITMQ_MNESIA_BASE: `${dataFolder}/mnesia`,
    RABBITMQ_LOG_BASE: `${dataFolder}/log`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    // Two schedulers however many cores there are; an idle one sleeps at once.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `+S 2:2 ${onLoopback}`,
    RABBITMQ_CTL_ERL_ARGS: onLoopback,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: host,
    ERL_CRASH_DUMP_SECONDS: '0',
  }
}
