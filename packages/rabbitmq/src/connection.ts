import { AcuseError, type Clock, ConfigurationError, messageOf } from '@acuse/core'
import {
  type ChannelModel,
  connect,
  type RecoveringChannelModel,
  type ServerProperties,
  type SocketOptions,
} from 'amqplib'
import { lastWords } from './last-words.ts'

const connectTimeoutMs = 10_000
/** Before 3.10 quorum queues cannot dead-letter at least once. */
const oldest = [3, 10] as const

export interface ConnectionOptions {
  readonly url: string
  readonly tls: SocketOptions | undefined
  readonly heartbeatMs: number
  /** As the server's list of connections shows it. */
  readonly name: string
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** A connection that comes back by itself. */
export interface Connection {
  readonly model: RecoveringChannelModel
  readonly server: ServerProperties
  /** Whether it is there at the moment. */
  readonly connected: boolean
  /** Resolves once the server takes publishes: it blocks its publishers while it is short of memory or disk. */
  unblocked(): Promise<void>
  close(): Promise<void>
}

/** Throws `ACUSE_TRANSPORT_UNAVAILABLE` while the server cannot be reached, and `ACUSE_CONFIGURATION` for one that is too old. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { name, tls, clock, onError } = options
  const address = addressOf(options)
  let server: ServerProperties | undefined
  let connected = false
  const model = await connect(address.href, {
    ...tls,
    timeout: connectTimeoutMs,
    clientProperties: { connection_name: name },
    recovery: {
      maxDelay: 5_000,
      initialMaxRetries: 0,
      setup: async (opened: ChannelModel) => {
        server = opened.connection.serverProperties
        connected = true
      },
    },
  }).catch((cause: unknown) => {
    throw unreachable(address, cause)
  })
  let whenUnblocked: PromiseWithResolvers<void> | undefined
  const unblock = (): void => {
    whenUnblocked?.resolve()
    whenUnblocked = undefined
  }
  model.on('disconnect', (cause) => {
    connected = false
    unblock()
    onError(unreachable(address, cause))
  })
  model.on('connect-failed', (cause: Error) => onError(unreachable(address, cause)))
  // What ends the connection is told by 'disconnect' too.
  model.on('error', () => undefined)
  model.on('blocked', (reason) => {
    whenUnblocked ??= Promise.withResolvers()
    onError(blocked(address, reason))
  })
  model.on('unblocked', unblock)
  if (server === undefined) throw unreachable(address, new Error('it did not say what it is'))
  checkVersion(address, server)
  return {
    model,
    server,
    get connected() {
      return connected
    },
    unblocked: async () => whenUnblocked?.promise,
    close: async () => {
      unblock()
      await lastWords(clock, model.close())
    },
  }
}

function addressOf({ url, heartbeatMs }: ConnectionOptions): URL {
  if (!URL.canParse(url))
    throw new ConfigurationError('rabbitmq: the address is no URL: give amqp://user:password@host:5672/vhost.')
  const address = new URL(url)
  if (address.protocol !== 'amqp:' && address.protocol !== 'amqps:') {
    throw new ConfigurationError(
      `rabbitmq: the address begins with ${address.protocol}//; it must be amqp:// or amqps://.`,
    )
  }
  if (!address.searchParams.has('heartbeat')) {
    address.searchParams.set('heartbeat', String(Math.max(1, Math.round(heartbeatMs / 1_000))))
  }
  return address
}

function checkVersion(address: URL, { version, product }: ServerProperties): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new ConfigurationError(
    `rabbitmq ${address.host}: the server is ${product} ${version}; ${oldest.join('.')} or newer is needed, as older quorum queues lose what they dead-letter.`,
  )
}

function unreachable(address: URL, cause: unknown): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `rabbitmq ${address.host}: ${withoutSecret(address, messageOf(cause))}; it is tried again.`,
    { cause },
  )
}

function blocked(address: URL, reason: string): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `rabbitmq ${address.host}: the server takes no messages (${reason}); they wait until it does.`,
  )
}

function withoutSecret({ password }: URL, text: string): string {
  return password === '' ? text : text.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***')
}
