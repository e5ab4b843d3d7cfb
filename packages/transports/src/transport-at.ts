import { ConfigurationError, type TransportFactory } from '@acuse/core'
import { loadPackage } from './load-package.ts'

export interface TransportAtOptions {
  /** How long a process that stopped answering keeps what it reads, ms, where that is ours to say: on PostgreSQL. */
  readonly leaseMs?: number
}

interface Kind {
  /** What has to be installed for it. */
  readonly packages: readonly string[]
  readonly load: (url: string, options: TransportAtOptions) => Promise<TransportFactory>
}

const postgres: Kind = {
  packages: ['@acuse/postgres', 'pg'],
  load: async (connection, options) => (await import('@acuse/postgres')).postgres({ connection, ...options }),
}
const rabbitmq: Kind = {
  packages: ['@acuse/rabbitmq', 'amqplib'],
  load: async (url) => (await import('@acuse/rabbitmq')).rabbitmq(url),
}

const nats: Kind = {
  packages: ['@acuse/nats', '@nats-io/jetstream', '@nats-io/transport-node'],
  load: async (url) => (await import('@acuse/nats')).nats(url),
}
const redis: Kind = {
  packages: ['@acuse/redis', 'ioredis'],
  load: async (url) => (await import('@acuse/redis')).redis(url),
}
const kafka: Kind = {
  packages: ['@acuse/kafka', '@platformatic/kafka'],
  load: async (url) => {
    const [, brokers = '', replicas] = kafkaAddress.exec(url) ?? []
    const given = replicas === undefined ? {} : { replicationFactor: Number(replicas) }
    return (await import('@acuse/kafka')).kafka(brokers, given)
  },
}

/** `kafka://one:9092,two:9092`, and how many brokers keep each message: `?replicationFactor=1`. */
const kafkaAddress = /^kafka:\/\/([^/?]+)\/?(?:\?replicationFactor=(\d+))?$/i

/** Which transport an address names. Another one is a line. */
const kinds: ReadonlyMap<string, Kind> = new Map([
  ['postgres', postgres],
  ['postgresql', postgres],
  ['amqp', rabbitmq],
  ['amqps', rabbitmq],
  ['kafka', kafka],
  ['nats', nats],
  ['tls', nats],
  ['redis', redis],
  ['rediss', redis],
])

/** What an address may begin with, without `://`. */
export const transportSchemes: readonly string[] = [...kinds.keys()]

/**
 * The transport that an address names: `postgres://…`, `amqp://…`, `kafka://…`, `nats://…` or `redis://…`. What it needs is loaded when it is opened.
 *
 * Throws `ACUSE_CONFIGURATION` for any other address. Opening throws `ACUSE_MISSING_PACKAGE` for what is not installed, and what
 * the transport throws.
 */
export function transportAt(url: string, options: TransportAtOptions = {}): TransportFactory {
  const { packages, load } = kindOf(url)
  return async (context) => {
    const open = await loadPackage(packages, () => load(url, options))
    return open(context)
  }
}

function kindOf(url: string): Kind {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url) ?? []
  const kind = kinds.get(scheme?.toLowerCase() ?? '')
  if (kind !== undefined) return kind
  // The rest of it may be a password.
  const given = scheme === undefined ? 'The address of the transport has no scheme' : `${scheme}://… is no transport`
  const known = transportSchemes.map((name) => `${name}://`).join(', ')
  throw new ConfigurationError(`${given}; it must begin with one of ${known}.`)
}
