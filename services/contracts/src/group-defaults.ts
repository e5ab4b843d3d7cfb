import { exponential, type GroupOptions } from '@acuse/core'

import { recordApplied, type Statements } from './applied.ts'

/**
 * What every group of the marketplace has in common. Six attempts within about ten seconds: a process that is killed spends an
 * attempt of what it had begun, and these services must live through many kills. A claim outlives its process by 5 s.
 */
export const groupDefaults: Pick<GroupOptions<Statements>, 'retry' | 'from' | 'leaseMs' | 'inTransaction'> = {
  retry: exponential({ attempts: 6, baseMs: 250, maxMs: 10_000 }),
  from: 'earliest',
  leaseMs: 5_000,
  inTransaction: recordApplied,
}
