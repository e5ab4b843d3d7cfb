import type { Parked, ParkReason } from '@acuse/core'
import { runIn, type StoreBase } from './base.ts'
import { claimDue, extendLeases } from './parked-claim.ts'
import { park, parkBehind } from './parked-park.ts'
import { bury, complete, remove, reschedule } from './parked-settle.ts'

/** Messages that wait. */
export function createParked<Tx>(base: StoreBase<Tx>): Parked<Tx> {
  const { db, groups } = base
  return {
    park: async (tx, group, request) => park(runIn(base, tx), db, await groups.idOf(group), request),
    parkBehind: async (tx, group, message, limit) =>
      parkBehind(runIn(base, tx), db, await groups.idOf(group), message, limit),
    claim: async (group, request) => claimDue(db, await groups.idOf(group), request),
    extend: (_group, claims, leaseMs) => extendLeases(db, claims, leaseMs),
    complete: async (tx, group, claim) => complete(runIn(base, tx), db, await groups.idOf(group), claim),
    reschedule: (tx, _group, claim, outcome) => reschedule(runIn(base, tx), db, claim, outcome),
    bury: async (tx, group, claim, death, block) =>
      bury(runIn(base, tx), db, await groups.idOf(group), claim, death, block),
    remove: async (tx, group, messageId) => remove(runIn(base, tx), db, await groups.idOf(group), messageId),
    counts: async (group) => {
      const rows = await db.query<{ reason: ParkReason; count: number }>(
        `select reason, count(*)::int as count from ${db.schema}.parked where grp = $1 group by reason`,
        [await groups.idOf(group)],
      )
      return Object.fromEntries(rows.map(({ reason, count }) => [reason, count]))
    },
  }
}
