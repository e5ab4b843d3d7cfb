import { run } from '../commands.ts'
import { jailed } from '../jail.ts'
import { newFolder, Server, started, type ServerKind } from '../server.ts'
import { newDistribution, nodeKind, type RabbitMqOptions } from './node.ts'

const controlTimeoutMs = 60_000

/** A node of RabbitMQ. */
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

/** Starts a node of RabbitMQ that serves AMQP to the user guest, with an epmd of its own. */
export async function startRabbitMq(options: RabbitMqOptions): Promise<RabbitMq> {
  const kind = await nodeKind(options, 'rabbit@localhost', await newDistribution())
  return await started(new RabbitMq(kind, await newFolder('rabbitmq', options), options))
}
