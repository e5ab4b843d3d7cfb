import type { BrokerKind } from '../../brokers/broker.ts'
import type { Measure } from '../../measure.ts'
import { backlogOf } from './backlog.ts'
import { consumeOf } from './consume.ts'
import { latencyOf } from './latency.ts'
import { memoryOf } from './memory.ts'
import { publishOf } from './publish.ts'

/** What is measured of each broker, in the order in which it runs. */
export function brokerMeasures(kind: BrokerKind): readonly Measure[] {
  return [publishOf(kind), consumeOf(kind), latencyOf(kind), backlogOf(kind), memoryOf(kind)]
}
