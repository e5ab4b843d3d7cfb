import { type Credentials, ConfigurationError } from '@acuse/core'
import type { Options } from 'amqplib'

const defaultPorts = { 'amqp:': 5672, 'amqps:': 5671 } as const
/** As amqplib has it where an address does not say. */
const defaults = { locale: 'en_US', channelMax: 0, frameMax: 131_072 } as const

/** The addresses of a cluster's nodes. A connection uses one of them, and the next when that cannot be reached any more. */
export class Addresses {
  readonly #urls: readonly URL[]
  readonly #target: Options.Connect
  #current = 0
  /** Those of the addresses, where there are no others. */
  #credentials: Credentials | undefined

  /** Throws `ACUSE_CONFIGURATION` for what is no address of RabbitMQ. */
  constructor(urls: readonly string[], heartbeatMs: number) {
    if (urls.length === 0)
      throw new ConfigurationError('rabbitmq: there is no address; give one, or those of a cluster.')
    this.#urls = urls.map((url) => addressOf(url, heartbeatMs))
    this.#target = this.#parts()
  }

  get all(): readonly URL[] {
    return this.#urls
  }

  get count(): number {
    return this.#urls.length
  }

  /** The one in use. */
  get current(): URL {
    const url = this.#urls[this.#current]
    if (url === undefined) throw new RangeError('the place in the list of addresses is beyond its end')
    return url
  }

  /** The one in use as the client takes it, which reads it anew whenever it connects. */
  get target(): Options.Connect {
    return this.#target
  }

  /** Goes on to the next, and after the last to the first. */
  turn(): void {
    this.#current = (this.#current + 1) % this.count
    Object.assign(this.#target, this.#parts())
  }

  /** Lets the next connection be opened with these, at whichever address. */
  use(credentials: Credentials): void {
    this.#credentials = credentials
    Object.assign(this.#target, this.#parts())
  }

  withoutSecrets(text: string): string {
    const { password = '' } = this.#credentials ?? {}
    const rest = this.#urls.reduce(withoutSecret, text)
    return password === '' ? rest : rest.replaceAll(password, '***')
  }

  #parts(): Options.Connect {
    return { ...partsOf(this.current), ...this.#credentials }
  }
}

function addressOf(url: string, heartbeatMs: number): URL {
  if (!URL.canParse(url))
    throw new ConfigurationError('rabbitmq: the address is no URL: give amqp://user:password@host:5672/vhost.')
  const address = new URL(url)
  if (!isOfRabbit(address.protocol)) {
    throw new ConfigurationError(
      `rabbitmq: the address begins with ${address.protocol}//; it must be amqp:// or amqps://.`,
    )
  }
  if (!address.searchParams.has('heartbeat')) {
    address.searchParams.set('heartbeat', String(Math.max(1, Math.round(heartbeatMs / 1_000))))
  }
  return address
}

function isOfRabbit(protocol: string): protocol is keyof typeof defaultPorts {
  return protocol in defaultPorts
}

/** Every part is there, so that those of the next address leave nothing of this one. */
function partsOf({ protocol, hostname, port, username, password, pathname, searchParams }: URL): Options.Connect {
  const secure = protocol === 'amqps:' ? protocol : 'amqp:'
  const isGuest = username === '' && password === ''
  const numberAt = (name: string, otherwise: number): number => Number(searchParams.get(name) ?? otherwise)
  return {
    protocol: protocol.slice(0, -1),
    hostname: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port === '' ? defaultPorts[secure] : Number(port),
    username: isGuest ? 'guest' : decoded(username),
    password: isGuest ? 'guest' : decoded(password),
    vhost: pathname.slice(1),
    locale: searchParams.get('locale') ?? defaults.locale,
    channelMax: numberAt('channelMax', defaults.channelMax),
    frameMax: numberAt('frameMax', defaults.frameMax),
    heartbeat: numberAt('heartbeat', 0),
  }
}

function withoutSecret(text: string, { password }: URL): string {
  return password === '' ? text : text.replaceAll(password, '***').replaceAll(decoded(password), '***')
}

/** A lone % in a password is taken as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
