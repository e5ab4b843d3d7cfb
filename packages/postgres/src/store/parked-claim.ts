import type { Claimed, ClaimRequest, ClaimResult, ParkReason } from '@acuse/core'
import type { Db } from '../db.ts'
import { msFromNow, msSince, msUntil, nextDueInMs } from './base.ts'
import { type MessageRow, messageOfRow, messageSelect } from './message-columns.ts'

interface ClaimedRow extends MessageRow {
  readonly seq: string
  readonly token: string
  readonly reason: ParkReason
  readonly ordered: boolean
  readonly attempts: number
  readonly crashed: boolean
  readonly failing_for: number | null
  readonly partitions: number | null
}

/** What each kind of claim reads; the words of the two partial indexes. A due row with a token is one whose lease ran out. */
const kinds = {
  crashed: 'token is not null',
  others: 'token is null',
} as const

/** See `Parked.claim`. Only the first of a key ever has a finite due time, so nothing here looks at keys. */
export async function claimDue(db: Db, grp: number, request: ClaimRequest): Promise<ClaimResult> {
  const kind = request.crashed ? kinds.crashed : kinds.others
  const rows = await db.query<ClaimedRow>(
    `with due as materialized (
       select seq, token is not null as crashed from ${db.schema}.parked
       where grp = $1 and due_at <= (select clock_timestamp()) and due_at < 'infinity' and ${kind}
       order by due_at, seq
       limit $2
       for no key update skip locked
     )
     update ${db.schema}.parked p set
       token = gen_random_uuid(),
       due_at = ${msFromNow('$3')},
       attempts = p.attempts + due.crashed::int,
       failing_since = coalesce(p.failing_since, case when due.crashed then clock_timestamp() end)
     from due where p.seq = due.seq
     returning p.seq::text, p.token::text, p.reason, p.key_hash is not null as ordered, p.attempts, due.crashed,
       ${msSince('p.failing_since')} as failing_for, ${messageSelect('p')},
       (select s.partitions from ${db.schema}.stream s where s.name = p.stream)`,
    [grp, request.limit, request.leaseMs],
  )
  const claimed = rows.map(claimOfRow).toSorted(bySeq)
  const full = claimed.length > 0 && claimed.length >= request.limit
  return { claimed, nextDueInMs: full ? 0 : nextDueInMs(await untilNextDue(db, grp, kind)) }
}

/** One probe of the kind's own index. */
async function untilNextDue(db: Db, grp: number, kind: string): Promise<number | null> {
  const [row] = await db.query<{ ms: number | null }>(
    `select ${msUntil('min(due_at)')} as ms from ${db.schema}.parked where grp = $1 and due_at < 'infinity' and ${kind}`,
    [grp],
  )
  return row?.ms ?? null
}

/**
 * See `Parked.extend`. A row that a transaction has in hand is not waited for: that would hold up the leases of all the others.
 * Its token is still ours as far as anybody has committed, so it counts as held.
 */
export async function extendLeases(db: Db, claims: readonly Claimed[], leaseMs: number): Promise<readonly string[]> {
  if (claims.length === 0) return []
  const rows = await db.query<{ seq: string }>(
    `with claim as materialized (
       select * from unnest($1::bigint[], $2::uuid[]) as c (seq, token)
     ), free as materialized (
       select p.seq from ${db.schema}.parked p join claim c on p.seq = c.seq and p.token = c.token
       for no key update of p skip locked
     ), extended as (
       update ${db.schema}.parked p set due_at = ${msFromNow('$3')} from free where p.seq = free.seq
     )
     select p.seq::text from ${db.schema}.parked p join claim c on p.seq = c.seq and p.token = c.token`,
    [claims.map((claim) => claim.id), claims.map((claim) => claim.token), leaseMs],
  )
  return rows.map((row) => row.seq)
}

function claimOfRow(row: ClaimedRow): Claimed {
  return {
    id: row.seq,
    token: row.token,
    // A relay sends it on, and brokers ask for the number.
    message: { ...messageOfRow(row), ...(row.partitions === null ? {} : { partitions: row.partitions }) },
    reason: row.reason,
    ordered: row.ordered,
    attempts: row.attempts,
    crashed: row.crashed,
    failingForMs: row.failing_for,
  }
}

function bySeq(one: Claimed, other: Claimed): number {
  const difference = BigInt(one.id) - BigInt(other.id)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
