import { betweenCommitAndAck } from './between-commit-and-ack.ts'
import { crashingHandlers } from './crashing-handlers.ts'
import { conservation } from './dead-letters.ts'
import { drain } from './drain.ts'
import type { Experiment } from './experiment.ts'
import { memory } from './memory.ts'
import { openTransaction } from './open-transaction.ts'
import { order } from './order.ts'
import { outages } from './outage.ts'
import { pooledWakeUp } from './pooled-wake-up.ts'
import { purge } from './purge.ts'
import { rollbacks } from './rollbacks.ts'
import { sagaTimeouts } from './saga-timeouts.ts'
import { sagaUpdates } from './saga-updates.ts'
import { settling } from './settling.ts'
import { staleOwner } from './stale-owner.ts'
import { tenants } from './tenants.ts'
import { wakeUp } from './wake-up.ts'

/** In the order of the guarantees. */
export const experiments: readonly Experiment[] = [
  rollbacks,
  betweenCommitAndAck,
  order,
  openTransaction,
  conservation,
  crashingHandlers,
  drain,
  memory,
  ...outages,
  settling,
  sagaTimeouts,
  sagaUpdates,
  staleOwner,
  purge,
  wakeUp,
  pooledWakeUp,
  tenants,
]
