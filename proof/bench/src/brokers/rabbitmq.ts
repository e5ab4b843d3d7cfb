import { startRabbitMq } from '@acuse-proof/servers'
import type { BrokerKind } from './broker.ts'
import { running } from './running.ts'

export const rabbitmq: BrokerKind = {
  name: 'rabbitmq',
  title: 'RabbitMQ',
  plain: 'amqplib',
  peer: {
    actor: 'nest',
    title: 'Nest',
    includes:
      'Nest: an @EventPattern of @nestjs/microservices on a quorum queue, noAck off, prefetch 1,000, acked in the handler.',
  },
  backlog: 50_000,
  durability: 'one node, durable quorum queues, persistent messages, confirmed and mandatory',
  plainPublishes: 'a confirm channel, the callback of each message',
  plainConsumes: 'a quorum queue with a single active consumer, prefetch 1,000, an ack a message',
  packages: ['amqplib', '@nestjs/microservices'],
  start: async () => running('rabbitmq', await startRabbitMq({ release: '4.0' })),
}
