import { isIP } from 'node:net'
import { AcuseError, type Clock, ConfigurationError, pause } from '@acuse/core'
import {
  type API,
  apiVersionsV3,
  type Broker,
  type Connection,
  ConnectionPool,
  type ConnectionOptions as ClientOptions,
} from '@platformatic/kafka'
import { toldOf } from './errors.ts'
import type { Login } from './login.ts'
import { type MetadataResponse, requests } from './protocol.ts'

const connectTimeoutMs = 5_000
const requestTimeoutMs = 15_000
const closeWithinMs = 1_000
/** Fetch in the version that Kafka 4.0 has. */
const needed = { key: 1, version: 17 } as const

export interface ClusterOptions {
  readonly brokers: readonly string[]
  readonly tls: ClientOptions['tls']
  readonly login: Login
  /** As the brokers' metrics and quotas show it. */
  readonly clientId: string
  readonly clock: Clock
}

/** A Kafka cluster: its brokers as far as they are known, and connections to them. */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #bootstrap: readonly Broker[]
  readonly #main: Connections
  #brokers: ReadonlyMap<number, Broker> = new Map()
  #id = ''

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.#bootstrap = options.brokers.map(brokerOf)
    this.#main = this.connect()
  }

  /** Throws `ACUSE_TRANSPORT_UNAVAILABLE` while no broker can be reached, and `ACUSE_CONFIGURATION` for one that is too old. */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      await cluster.#checkVersion()
      await cluster.metadata([])
      return cluster
    } catch (error) {
      await cluster.close()
      throw cluster.unreachable(error)
    }
  }

  get id(): string {
    return this.#id
  }

  get nodes(): readonly number[] {
    return [...this.#brokers.keys()]
  }

  /** The connections for what is answered at once. */
  get main(): Connections {
    return this.#main
  }

  /** Connections of their own: a broker answers the requests of one in their order, and some of them wait. */
  connect(timeoutMs: number = requestTimeoutMs): Connections {
    const { tls, login, clientId, clock } = this.#options
    const { sasl } = login
    const pool = new ConnectionPool(clientId, {
      ...(tls === undefined ? {} : { tls, tlsServerName: this.#bootstrap.some(({ host }) => isIP(host) === 0) }),
      ...(sasl === undefined ? {} : { sasl }),
      connectTimeout: Math.min(connectTimeoutMs, timeoutMs),
      requestTimeout: timeoutMs,
    })
    return new Connections(pool, clock, (node) => (node === undefined ? this.#anyone() : [this.#broker(node)]))
  }

  /** Asks for topics, and learns the brokers by it. */
  async metadata(topics: readonly string[], connections: Connections = this.#main): Promise<MetadataResponse> {
    const answer = await connections.ask(undefined, requests.metadata, [...topics], false, false)
    this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    this.#id = answer.clusterId ?? ''
    return answer
  }

  /** An error about the whole of it, without a secret. */
  unreachable(cause: unknown): AcuseError {
    if (cause instanceof AcuseError) return cause
    const { brokers, login } = this.#options
    const text = `kafka ${brokers.join(',')}: ${login.withoutSecrets(toldOf(cause))}; it is tried again.`
    return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause })
  }

  async close(): Promise<void> {
    await this.#main.close()
  }

  #anyone(): Broker[] {
    return [...this.#brokers.values(), ...this.#bootstrap]
  }

  #broker(node: number): Broker {
    const broker = this.#brokers.get(node)
    if (broker !== undefined) return broker
    throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `kafka: broker ${node} is not there; it is looked for again.`)
  }

  async #checkVersion(): Promise<void> {
    const { apiKeys } = await this.#main.ask(undefined, apiVersionsV3.api, 'acuse', '1')
    const newest = apiKeys.find(({ apiKey }) => apiKey === needed.key)?.maxVersion ?? 0
    if (newest >= needed.version) return
    throw new ConfigurationError(
      `kafka ${this.#options.brokers.join(',')}: the server is older than Kafka 4.0, which is the oldest that is supported.`,
    )
  }
}

/** Connections to the brokers, one each, opened when they are asked for. */
export class Connections {
  readonly #pool: ConnectionPool
  readonly #clock: Clock
  readonly #whereIs: (node: number | undefined) => Broker[]

  constructor(pool: ConnectionPool, clock: Clock, whereIs: (node: number | undefined) => Broker[]) {
    this.#pool = pool
    this.#clock = clock
    this.#whereIs = whereIs
    // What breaks a connection is told to whoever waits for an answer on it.
    pool.on('connecting', ({ connection }) => connection.on('error', () => undefined))
  }

  /** Asks one broker, or whichever can be reached. */
  async ask<Args extends unknown[], Response>(
    node: number | undefined,
    api: API<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    return api.async(await this.#connection(node), ...args)
  }

  /** A server that does not answer is not waited for. */
  async close(): Promise<void> {
    await Promise.race([this.#pool.close().catch(() => undefined), pause(this.#clock, closeWithinMs)])
  }

  #connection(node: number | undefined): Promise<Connection> {
    return this.#pool.getFirstAvailable(this.#whereIs(node))
  }
}

function brokerOf(address: string): Broker {
  const [, host, port] = /^(?:\[?([^[\]/]+?)\]?):(\d{1,5})$/.exec(address) ?? []
  if (host === undefined || port === undefined) {
    throw new ConfigurationError(
      `kafka: a broker's address is host:port, as in kafka-1:9092; one of those given is not.`,
    )
  }
  return { host, port: Number(port) }
}
