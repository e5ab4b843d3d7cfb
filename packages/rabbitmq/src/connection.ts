import {
  AcuseError,
  assertGivenOnce,
  type Clock,
  ConfigurationError,
  CredentialSource,
  type CredentialsProvider,
  messageOf,
  refusedCredentials,
} from '@acuse/core'
import {
  type ChannelModel,
  connect,
  type RecoveringChannelModel,
  type ServerProperties,
  type SocketOptions,
} from 'amqplib'
import { Addresses } from './addresses.ts'
import { lastWords } from './last-words.ts'

const connectTimeoutMs = 10_000
/** Before 3.10 quorum queues cannot dead-letter at least once. */
const oldest = [3, 10] as const

export interface ConnectionOptions {
  /** Of the nodes of one cluster; whichever can be reached is used. */
  readonly urls: readonly string[]
  readonly tls: SocketOptions | undefined
  readonly credentials: CredentialsProvider | undefined
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
  /** While the server is short of memory or disk and takes no publishes: what resolves once it does. */
  readonly blocked: Promise<void> | undefined
  close(): Promise<void>
}

/** Throws `ACUSE_TRANSPORT_UNAVAILABLE` while the server cannot be reached, and `ACUSE_CONFIGURATION` for one that is too old. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { urls, heartbeatMs, name, tls, clock, onError } = options
  const addresses = new Addresses(urls, heartbeatMs)
  const renew = renewal(addresses, options)
  await renew()
  let server: ServerProperties | undefined
  let connected = false
  const model = await connect(addresses.target, {
    ...tls,
    timeout: connectTimeoutMs,
    clientProperties: { connection_name: name },
    recovery: {
      maxDelay: 5_000,
      // Each address once; after that the bus tries again.
      initialMaxRetries: addresses.count - 1,
      waitForConnect: false,
      setup: async (opened: ChannelModel) => {
        server = opened.connection.serverProperties
        connected = true
      },
    },
  })
  let whenUnblocked: PromiseWithResolvers<void> | undefined
  const unblock = (): void => {
    whenUnblocked?.resolve()
    whenUnblocked = undefined
  }
  let why: AcuseError | undefined
  const leave = (cause: Error): void => {
    why = unreachable(addresses, cause)
    addresses.turn()
    // The client does not wait for it: an answer that comes after its pause, of 100 ms at first, serves the try after the next.
    void renew()
    if (server !== undefined) onError(why)
  }
  model.on('disconnect', (cause) => {
    connected = false
    unblock()
    leave(cause)
  })
  model.on('connect-failed', leave)
  // What ends the connection is told by 'disconnect' too.
  model.on('error', () => undefined)
  model.on('blocked', (reason) => {
    whenUnblocked ??= Promise.withResolvers()
    onError(blocked(addresses.current, reason))
  })
  model.on('unblocked', unblock)
  await model.waitForConnect().catch((cause: unknown) => {
    throw why ?? unreachable(addresses, cause)
  })
  if (server === undefined) throw unreachable(addresses, new Error('it did not say what it is'))
  checkVersion(addresses.current, server)
  return {
    model,
    server,
    get connected() {
      return connected
    },
    get blocked() {
      return whenUnblocked?.promise
    },
    close: async () => {
      unblock()
      await lastWords(clock, model.close())
    },
  }
}

/** Gets the credentials for the next try, where they are asked for. Rejects only before there were any. */
function renewal(
  addresses: Addresses,
  { credentials: provider, clock, onError }: ConnectionOptions,
): () => Promise<void> {
  for (const address of addresses.all) assertGivenOnce('rabbitmq', address, provider)
  if (provider === undefined) return async () => undefined
  const source = new CredentialSource({ provider, server: `rabbitmq ${addresses.current.host}`, clock, onError })
  return async () => addresses.use(await source.ask())
}

function checkVersion(address: URL, { version, product }: ServerProperties): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new ConfigurationError(
    `rabbitmq ${address.host}: the server is ${product} ${version}; ${oldest.join('.')} or newer is needed, as older quorum queues lose what they dead-letter.`,
  )
}

function unreachable(addresses: Addresses, cause: unknown): AcuseError {
  const said = addresses.withoutSecrets(messageOf(cause))
  const text = said.includes('ACCESS_REFUSED') ? refusedCredentials(said) : said
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `rabbitmq ${addresses.current.host}: ${text}; it is tried again.`,
    { cause },
  )
}

function blocked(address: URL, reason: string): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `rabbitmq ${address.host}: the server takes no messages (${reason}); they wait until it does.`,
  )
}
