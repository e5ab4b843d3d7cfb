import { startKafka } from '@acuse-proof/servers'
import type { BrokerKind } from './broker.ts'
import { running } from './running.ts'

export const kafka: BrokerKind = {
  name: 'kafka',
  title: 'Kafka',
  plain: '@platformatic/kafka',
  peer: {
    actor: 'kafkajs',
    title: 'kafkajs',
    includes: 'kafkajs: eachMessage over four partitions at once, offsets committed every 100 ms.',
  },
  backlog: 200_000,
  durability:
    'one broker, acks=all, an idempotent producer; Kafka has it in the page cache then, and fsyncs when it likes',
  plainPublishes: 'send of 500 records, one after the other',
  plainConsumes: 'a stream of messages of four partitions, fetched 1 MB at a time, offsets committed every 100 ms',
  packages: ['@platformatic/kafka', 'kafkajs'],
  start: async () => {
    const server = await startKafka({ lines: ['auto.create.topics.enable=false'] })
    return running('kafka', server, `kafka://127.0.0.1:${server.port}?replicationFactor=1`)
  },
}
