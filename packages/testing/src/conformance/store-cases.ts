import type { Case } from './case.ts'
import { cronCases } from './store-cron-cases.ts'
import { deadLetterCases } from './store-dead-letter-cases.ts'
import { historyCases } from './store-history-cases.ts'
import { inboxCases } from './store-inbox-cases.ts'
import { leaseCases } from './store-lease-cases.ts'
import { parkedCases } from './store-parked-cases.ts'
import { raceCases } from './store-race-cases.ts'
import { sagaCases } from './store-saga-cases.ts'
import { scheduleCases } from './store-schedule-cases.ts'
import { transactionCases } from './store-transaction-cases.ts'
import type { StoreWorld } from './store-world.ts'

/** Everything a store has to keep, one case a promise. */
export function storeCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    ...transactionCases<Tx>(),
    ...inboxCases<Tx>(),
    ...parkedCases<Tx>(),
    ...leaseCases<Tx>(),
    ...raceCases<Tx>(),
    ...deadLetterCases<Tx>(),
    ...historyCases<Tx>(),
    ...sagaCases<Tx>(),
    ...scheduleCases<Tx>(),
    ...cronCases<Tx>(),
  ]
}
