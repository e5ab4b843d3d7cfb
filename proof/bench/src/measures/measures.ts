import type { Measure } from '../measure.ts'
import { backlog } from './backlog.ts'
import { checkout } from './checkout.ts'
import { drain, drainShared } from './drain.ts'
import { fanOut } from './fan-out.ts'
import { idle } from './idle.ts'
import { keyed } from './keyed.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { openTransaction } from './open-transaction.ts'
import { publishBatch, publishInTransaction, publishOne } from './publish.ts'

/** In the order in which they run. */
export const measures: readonly Measure[] = [
  publishOne,
  publishInTransaction,
  publishBatch,
  drain,
  drainShared,
  keyed,
  fanOut,
  latency,
  checkout,
  idle,
  openTransaction,
  backlog,
  memory,
]
