import { REFUSED, RELAYED } from '../audit/relayed.ts'
import { SUBSCRIPTIONS } from '../audit/subscriptions.ts'
import type { RunDatabases } from '../database/run-databases.ts'
import { counted } from '../display/numbers.ts'
import { readOrderStates } from './order-states.ts'

const SERVICES = ['orders', 'inventory', 'payments'] as const

/** What is still under way, in words; empty when all has come to rest. */
export async function readUnsettled(databases: RunDatabases): Promise<string[]> {
  const { open } = await readOrderStates(databases.orders)
  // Counting messages takes longer, and is of no interest before.
  if (open > 0) return [`${counted(open, 'order')} without a final state`]
  const found: string[] = []
  for (const service of SERVICES) {
    const [row] = await databases[service].query<{ parked: number }>(
      `select count(*)::int as parked from acuse.parked where not (reason = 'timeout' and due_at > clock_timestamp())`,
    )
    if (row !== undefined && row.parked > 0) found.push(`${counted(row.parked, 'message')} waiting in ${service}`)
  }
  return [...found, ...(await readUnrelayed(databases)), ...(await readUnapplied(databases))]
}

async function readUnrelayed(databases: RunDatabases): Promise<string[]> {
  let unrelayed = 0
  for (const service of SERVICES) {
    const [row] = await databases[service].query<{ count: number }>(
      `select count(*)::int as count from acuse.log l where not ${RELAYED}`,
    )
    unrelayed += row?.count ?? 0
  }
  return unrelayed > 0 ? [`${counted(unrelayed, 'message')} not yet relayed`] : []
}

async function readUnapplied(databases: RunDatabases): Promise<string[]> {
  const sent: { type: string; count: number }[] = []
  for (const service of SERVICES) {
    sent.push(
      ...(await databases[service].query<{ type: string; count: number }>(
        `select l.type, count(distinct l.id)::int as count from acuse.log l where not ${REFUSED} group by l.type`,
      )),
    )
  }
  const found: string[] = []
  for (const { service, grp, types } of SUBSCRIPTIONS) {
    const expected = sent.filter(({ type }) => types.includes(type)).reduce((sum, { count }) => sum + count, 0)
    const [row] = await databases[service].query<{ count: number }>(
      `select ((select count(distinct message_id) from applied where grp = $1 and type = any ($2))
         + (select count(*) from acuse.dead_letter d join acuse.inbox_group g on g.id = d.grp
            where g.name = $1 and d.state = 'dead'))::int as count`,
      [grp, types],
    )
    const missing = expected - (row?.count ?? 0)
    if (missing > 0) found.push(`${counted(missing, 'message')} not yet applied by ${grp}`)
  }
  return found
}
