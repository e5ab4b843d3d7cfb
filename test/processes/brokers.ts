import { type Server, startKafka, startNats, startRabbitMq, startRedis } from '@acuse-proof/servers'

/** A broker to be started, in settings that confirm only what is on disk. */
export interface Broker {
  readonly name: string
  start(): Promise<Server>
  /** Its address for `transportAt`. */
  urlOf(server: Server): string
}

export const brokers: readonly Broker[] = [
  { name: 'rabbitmq', start: () => startRabbitMq({ release: '4.0' }), urlOf: ({ url }) => url },
  {
    name: 'kafka',
    start: () => startKafka({ lines: ['auto.create.topics.enable=false'] }),
    urlOf: ({ url }) => `kafka://${url}?replicationFactor=1`,
  },
  {
    name: 'nats',
    start: () => startNats({ release: '2.10', jetstream: ['sync_interval: always'] }),
    urlOf: ({ url }) => url,
  },
  {
    name: 'redis',
    start: () => startRedis({ release: '8.0', lines: ['appendfsync always'] }),
    urlOf: ({ url }) => url,
  },
]
