import { AcuseError, type Clock, ConfigurationError, messageOf, pause, refusedCredentials } from '@acuse/core'
import {
  connect,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import { addressesOf } from './addresses.ts'
import { isAboutWho, Login, type LoginOptions } from './login.ts'
import { isUnanswered, Silence } from './silence.ts'

const connectTimeoutMs = 10_000
const closeWithinMs = 1_000
const requestTimeoutMs = 5_000
/** A server that has given no sign of life for two of these is given up. */
const pingEveryMs = 5_000
/** Before 2.10 a consumer has one filter, and a stream has no metadata. */
const oldest = [2, 10] as const

export interface ConnectionOptions extends LoginOptions {
  /** One server, or several with commas between them. */
  readonly url: string
  readonly tls: NodeConnectionOptions['tls'] | undefined
  /** As the server's list of connections shows it. */
  readonly name: string
}

/** Told when the connection breaks, and when it is back. */
export interface ConnectionListener {
  readonly onLost: () => void
  readonly onBack: () => void
}

/** A connection that comes back by itself. */
export interface Connection {
  readonly client: NatsConnection
  /** Whether it is there at the moment. */
  readonly connected: boolean
  /** The most bytes that a message may have, headers included. */
  readonly maxPayloadBytes: number
  /** Told of answers that say that nobody leads. */
  readonly silence: Silence
  /** Rejects at once when the connection breaks, and after 5 s without an answer. */
  request(subject: string, payload: Uint8Array | string, headers?: MsgHdrs): Promise<Msg>
  /** Resolves when it is there, at once where it is, and when `signal` aborts. */
  whenConnected(signal: AbortSignal): Promise<void>
  /** Gives what stops it. */
  listen(listener: ConnectionListener): () => void
  close(): Promise<void>
}

/** Throws `ACUSE_TRANSPORT_UNAVAILABLE` while the server cannot be reached, and `ACUSE_CONFIGURATION` for one that is too old. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { name, tls, clock, onError } = options
  const addresses = addressesOf(options.url)
  const { servers, secure, hosts } = addresses
  const login = new Login(addresses, options)
  await login.renew()
  const client = await connect({
    ...login.client,
    ...(tls !== undefined || secure ? { tls: tls ?? {} } : {}),
    servers,
    name,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    pingInterval: pingEveryMs,
    // What a user may do can be mended while it runs: it goes on trying.
    ignoreAuthErrorAbort: true,
    // A stack for each message costs more than sending it.
    noAsyncTraces: true,
  }).catch((cause: unknown) => {
    throw unreachable(hosts, cause)
  })
  try {
    checkServer(hosts, client)
    return new ClientConnection({ client, hosts, hasOthers: servers.length > 1, login, clock, onError })
  } catch (error) {
    await client.close()
    throw error
  }
}

interface Parts {
  readonly client: NatsConnection
  readonly hosts: string
  /** Whether there are other servers that it can go to. */
  readonly hasOthers: boolean
  readonly login: Login
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

class ClientConnection implements Connection {
  readonly client: NatsConnection
  readonly silence: Silence
  readonly #parts: Parts
  readonly #listeners = new Set<ConnectionListener>()
  readonly #pending = new Set<(error: Error) => void>()
  /** What was told of this break: the same is not told again at each try. */
  readonly #told = new Set<string>()
  #connected = true
  /** The server that was left last, until there is another. */
  #left: string | undefined

  constructor(parts: Parts) {
    this.client = parts.client
    this.#parts = parts
    this.silence = new Silence(parts.clock, () => this.#leave())
    void this.#watch()
  }

  get connected(): boolean {
    return this.#connected && !this.client.isClosed()
  }

  get maxPayloadBytes(): number {
    return this.client.info?.max_payload ?? 0
  }

  request(subject: string, payload: Uint8Array | string, headers?: MsgHdrs): Promise<Msg> {
    if (!this.connected) return Promise.reject(this.#lost())
    return new Promise((resolve, reject) => {
      this.#pending.add(reject)
      const options = { timeout: requestTimeoutMs, ...(headers === undefined ? {} : { headers }) }
      this.client
        .request(subject, payload, options)
        .then(resolve, (error: unknown) => {
          if (isUnanswered(error)) this.silence.goesOn()
          reject(error)
        })
        .finally(() => this.#pending.delete(reject))
    })
  }

  whenConnected(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.connected || signal.aborted) return resolve()
      const finish = (): void => {
        stop()
        signal.removeEventListener('abort', finish)
        resolve()
      }
      const stop = this.listen({ onLost: () => undefined, onBack: finish })
      signal.addEventListener('abort', finish, { once: true })
    })
  }

  listen(listener: ConnectionListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    // A server that does not answer is not waited for.
    await Promise.race([this.client.close().catch(() => undefined), pause(this.#parts.clock, closeWithinMs)])
  }

  /** The client tells a break, and the return, once more for each try that was refused in between. */
  async #watch(): Promise<void> {
    for await (const status of this.client.status()) {
      if (status.type === 'disconnect' && this.#connected && !this.client.isClosed()) this.#onLost()
      else if (status.type === 'reconnect' && !this.#connected) this.#onBack()
      else if (status.type === 'error') this.#onError(status.error)
    }
  }

  #onLost(): void {
    this.#connected = false
    this.#tell(new Error('the connection broke'))
    void this.#parts.login.renew()
    for (const reject of this.#pending) reject(this.#lost())
    for (const { onLost } of [...this.#listeners]) onLost()
  }

  #leave(): void {
    if (!this.connected || !this.#parts.hasOthers) return
    this.#left = this.client.getServer()
    this.#tell(
      new Error(
        'the server has answered nothing for 10 s, as one does that is cut off from its cluster; another is taken',
      ),
    )
    void this.client.reconnect().catch(() => undefined)
  }

  #onBack(): void {
    // Its client has the server that it was on first at the head of its list, and takes that one again the first time.
    const isSame = this.#left === this.client.getServer()
    this.#left = undefined
    if (isSame) return void this.client.reconnect().catch(() => undefined)
    this.#connected = true
    this.silence.over()
    this.#told.clear()
    this.#parts.login.accepted()
    for (const { onBack } of [...this.#listeners]) onBack()
  }

  #onError(error: Error): void {
    this.#tell(error)
    if (isAboutWho(error)) this.#parts.login.refused()
  }

  #tell(cause: Error): void {
    const { hosts, onError } = this.#parts
    const error = unreachable(hosts, cause)
    if (this.#told.has(error.message)) return
    if (!this.#connected) this.#told.add(error.message)
    onError(error)
  }

  #lost(): AcuseError {
    return unreachable(this.#parts.hosts, new Error('there is no connection'))
  }
}

function checkServer(hosts: string, { info }: NatsConnection): void {
  const version = info?.version ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new ConfigurationError(`nats ${hosts}: the server is NATS ${version}; ${oldest.join('.')} or newer is needed.`)
}

function unreachable(hosts: string, cause: unknown): AcuseError {
  const said = messageOf(cause)
  const text = `nats ${hosts}: ${isAboutWho(cause) ? refusedCredentials(said) : said}; it is tried again.`
  return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause })
}
