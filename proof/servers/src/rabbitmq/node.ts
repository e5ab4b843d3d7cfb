import { randomBytes } from 'node:crypto'
import { rootOf, type Suite } from '../debian/suites.ts'
import { dataFolder } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import type { ServerKind, ServerOptions } from '../server.ts'
import { greet } from './greeting.ts'

export type RabbitMqRelease = '3.10' | '4.0'

/** What it prints past its logger, which drops lines where they come too fast, as of a node that recovers hundreds of queues. */
const complete = / completed with \d+ plugins/

const suiteOf: Readonly<Record<RabbitMqRelease, Suite>> = { '3.10': 'bookworm', '4.0': 'trixie' }

export interface RabbitMqOptions extends ServerOptions {
  readonly release: RabbitMqRelease
  /** Settings of rabbitmq.conf, as in `{ heartbeat: '5' }`, before those that this needs for itself. */
  readonly conf?: Readonly<Record<string, string>>
  /** Plugins to enable, as `rabbitmq_management`. Default: none. */
  readonly plugins?: readonly string[]
}

/** What nodes of one cluster have in common. */
export interface Distribution {
  /** Where epmd tells on which port a node listens for the others. */
  readonly epmdPort: number
  /** Nodes with the same cookie let each other in. */
  readonly cookie: string
  /** More arguments for Erlang. */
  readonly arguments: string
}

/** A distribution of its own. */
export async function newDistribution(more = ''): Promise<Distribution> {
  return { epmdPort: await freePort(), cookie: randomBytes(15).toString('hex'), arguments: more }
}

/** The root of a release. */
export function rootOfRelease(release: RabbitMqRelease): string {
  return rootOf(suiteOf[release])
}

/** One node, by its name in Erlang. */
export async function nodeKind(
  { release, conf, plugins = [] }: RabbitMqOptions,
  name: string,
  distribution: Distribution,
): Promise<ServerKind> {
  const port = await freePort()
  const distributionPort = await freePort()
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
    root: rootOfRelease(release),
    peerPorts: [distributionPort],
    command: ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
    env: environment(name, distributionPort, distribution),
    files: {
      '.erlang.cookie': distribution.cookie,
      'rabbitmq.conf': Object.entries(settings)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join(''),
      enabled_plugins: `[${plugins.join(',')}].\n`,
    },
    ready: async (log) => {
      const version = await greet(port)
      // It listens before its plugins do, and a node that is told to stop in between fails its start.
      if (!complete.test(log)) throw new Error('It still starts.')
      return version
    },
  }
}

function environment(name: string, port: number, distribution: Distribution): Readonly<Record<string, string>> {
  const onLoopback = '-kernel inet_dist_use_interface {127,0,0,1}'
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: dataFolder,
    // Its script then becomes the server; otherwise it stays as its parent.
    detached: 'true',
    RABBITMQ_NODENAME: name,
    RABBITMQ_CONFIG_FILE: `${dataFolder}/rabbitmq.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${dataFolder}/enabled_plugins`,
    RABBITMQ_MNESIA_BASE: `${dataFolder}/mnesia`,
    RABBITMQ_LOG_BASE: `${dataFolder}/log`,
    RABBITMQ_DIST_PORT: String(port),
    // Two schedulers however many cores there are; an idle one sleeps at once.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `+S 2:2 ${onLoopback} ${distribution.arguments}`,
    RABBITMQ_CTL_ERL_ARGS: onLoopback,
    ERL_EPMD_PORT: String(distribution.epmdPort),
    ERL_EPMD_ADDRESS: host,
    ERL_CRASH_DUMP_SECONDS: '0',
  }
}
