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
import { Redis } from 'ioredis'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { causeOf, isAboutWho } from './errors.ts'

const connectTimeoutMs = 10_000
const firstRetryMs = 50
const longestRetryMs = 2_000

export interface ConnectionOptions {
  readonly url: string
  readonly tls: TlsOptions | undefined
  readonly credentials: CredentialsProvider | undefined
  /** Without an answer for so long a connection is given up. */
  readonly heartbeatMs: number
  /** As the server's list of connections shows it. */
  readonly name: string
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** A connection that comes back by itself. What is sent while it is away fails at once. */
export interface Connection {
  readonly redis: Redis
  readonly host: string
  /** Whether it is there at the moment. */
  readonly connected: boolean
  /** Calls back each time it is there again. */
  onBack(listener: () => void): void
  close(): void
}

/** Throws `ACUSE_TRANSPORT_UNAVAILABLE` while the server cannot be reached. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { tls, heartbeatMs, name, onError } = options
  const address = addressOf(options.url)
  const redis = new Redis(address.href, {
    ...(tls === undefined ? {} : { tls }),
    connectionName: name,
    connectTimeout: connectTimeoutMs,
    socketTimeout: heartbeatMs,
    lazyConnect: true,
    protocol: 2,
    enableOfflineQueue: false,
    // Nothing is sent again behind our back. Without the second the client forgets what was under way instead of failing it.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => {
      // The client does not wait for it: an answer that comes after its pause, of 100 ms at first, serves the try after the next.
      void renew()
      return Math.min(firstRetryMs * 2 ** Math.min(times, 10), longestRetryMs)
    },
    // After a failover this is a replica; the address leads to the primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  const renew = renewal(address, options, redis)
  await renew()
  let reason: unknown
  /** What was told of this break: the same is not told again at each try. Undefined until it is open, and when it is closed. */
  let told: Set<string> | undefined
  const tell = (error: unknown): void => {
    const text = messageOf(error)
    if (told === undefined || told.has(text)) return
    told.add(text)
    onError(unreachable(address, error))
  }
  redis.on('error', (error: unknown) => {
    reason = error
    tell(error)
  })
  redis.on('close', () => {
    if (told?.size === 0) tell(new Error('the connection was closed'))
  })
  redis.on('ready', () => told?.clear())
  try {
    await redis.connect()
  } catch (error) {
    redis.disconnect()
    throw unreachable(address, reason ?? error)
  }
  told = new Set()
  return {
    redis,
    host: address.host,
    get connected() {
      return redis.status === 'ready'
    },
    onBack: (listener) => void redis.on('ready', listener),
    close: () => {
      told = undefined
      redis.disconnect()
    },
  }
}

/** Gets the credentials for the next try, where they are asked for: the client reads its options anew at each. Rejects only before there were any. */
function renewal(
  address: URL,
  { credentials: provider, clock, onError }: ConnectionOptions,
  { options }: Redis,
): () => Promise<void> {
  assertGivenOnce('redis', address, provider)
  if (provider === undefined) return async () => undefined
  const source = new CredentialSource({ provider, server: `redis ${address.host}`, clock, onError })
  return async () => void Object.assign(options, await source.ask())
}

function addressOf(url: string): URL {
  if (!URL.canParse(url)) {
    throw new ConfigurationError('redis: the address is no URL: give redis://user:password@host:6379/0.')
  }
  const address = new URL(url)
  if (address.protocol !== 'redis:' && address.protocol !== 'rediss:') {
    throw new ConfigurationError(
      `redis: the address begins with ${address.protocol}//; it must be redis:// or rediss://.`,
    )
  }
  return address
}

function unreachable(address: URL, cause: unknown): AcuseError {
  const said = withoutSecret(address, messageOf(cause)).replace(/\.$/, '')
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `redis ${address.host}: ${isAboutWho(cause) ? refusedCredentials(said) : said}; it is tried again.`,
    { cause: causeOf(cause) },
  )
}

function withoutSecret({ password }: URL, text: string): string {
  return password === '' ? text : text.replaceAll(password, '***').replaceAll(decodeURIComponent(password), '***')
}
