import type { Installation, Server } from '@acuse-proof/servers'

export type TransportName = 'postgres' | 'rabbitmq' | 'rabbitmq-3.10' | 'kafka' | 'nats' | 'redis'

/** What runs the real servers; loaded when one is started. */
type Servers = typeof import('@acuse-proof/servers')

/** A way for the services to reach each other. */
export interface TransportKind {
  /** As people call it, without a release: a server that runs already has its own. */
  title: string
  /** How its addresses begin. */
  schemes: readonly string[]
  /** How a run starts one of its own; `null`: as a database beside the others. */
  broker: BrokerKind | null
}

export interface BrokerKind {
  release: string
  /** What has to be fetched for it. */
  installation: Installation
  /** Starts it in a folder of its own below `parent`. */
  start: (servers: Servers, parent: string) => Promise<Server>
  /** What services are told; default: its address. */
  urlOf?: (broker: Server) => string
}

const rabbitMq = { title: 'RabbitMQ', schemes: ['amqp', 'amqps'] }

/** By the name that `--transport` takes. Of several with one scheme the first stands for an address. */
const TRANSPORTS: Readonly<Record<TransportName, TransportKind>> = {
  postgres: { title: 'PostgreSQL', schemes: ['postgres', 'postgresql'], broker: null },
  rabbitmq: {
    ...rabbitMq,
    broker: {
      release: '4.0',
      installation: 'trixie',
      start: ({ startRabbitMq }, parent) => startRabbitMq({ release: '4.0', parent }),
    },
  },
  'rabbitmq-3.10': {
    ...rabbitMq,
    broker: {
      release: '3.10',
      installation: 'bookworm',
      start: ({ startRabbitMq }, parent) => startRabbitMq({ release: '3.10', parent }),
    },
  },
  kafka: {
    title: 'Kafka',
    schemes: ['kafka'],
    broker: {
      release: '4',
      installation: 'kafka',
      start: ({ startKafka }, parent) => startKafka({ parent, lines: ['auto.create.topics.enable=false'] }),
      urlOf: ({ port }) => `kafka://127.0.0.1:${port}?replicationFactor=1`,
    },
  },
  nats: {
    title: 'NATS',
    schemes: ['nats', 'tls'],
    broker: {
      release: '2.10',
      installation: 'trixie',
      start: ({ startNats }, parent) => startNats({ release: '2.10', parent, jetstream: ['sync_interval: always'] }),
    },
  },
  redis: {
    title: 'Redis',
    schemes: ['redis', 'rediss'],
    broker: {
      release: '8.0',
      installation: 'trixie',
      start: ({ startRedis }, parent) => startRedis({ release: '8.0', parent, lines: ['appendfsync always'] }),
    },
  },
}

export const TRANSPORT_NAMES: readonly TransportName[] = Object.keys(TRANSPORTS) as TransportName[]

/** The transport that a name stands for. */
export function transportKind(name: TransportName): TransportKind {
  return TRANSPORTS[name]
}

/** The first transport whose addresses begin so. */
export function transportOfScheme(scheme: string): TransportName | undefined {
  return TRANSPORT_NAMES.find((name) => transportKind(name).schemes.includes(scheme))
}
