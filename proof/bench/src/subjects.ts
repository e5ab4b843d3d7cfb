import type { BrokerKind } from './brokers/broker.ts'
import { kafka } from './brokers/kafka.ts'
import { nats } from './brokers/nats.ts'
import { rabbitmq } from './brokers/rabbitmq.ts'
import { redis } from './brokers/redis.ts'
import type { Measure } from './measure.ts'
import { brokerMeasures } from './measures/broker/measures.ts'
import { measures as postgresMeasures } from './measures/measures.ts'

/** What can be measured. */
export interface Subject {
  /** As the command line names it. */
  readonly name: string
  readonly measures: readonly Measure[]
  /** What is started beside PostgreSQL; null where the log itself is the transport. */
  readonly broker: BrokerKind | null
  /** Its page in docs, without `.md`. */
  readonly page: string
}

export const subjects: readonly Subject[] = [
  { name: 'postgres', measures: postgresMeasures, broker: null, page: 'benchmarks' },
  ...[rabbitmq, kafka, nats, redis].map((broker) => ({
    name: broker.name,
    measures: brokerMeasures(broker),
    broker,
    page: `benchmarks-${broker.name}`,
  })),
]
