import { point } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { sqlStateOf } from '../db-errors.ts'

const leaves = 8
/** A waiting TRUNCATE stops every reader of the leaf; this is the longest it does. */
const lockTimeoutMs = 20

export interface RetentionSettings {
  /** A leaf is emptied when it was closed this long ago and every group has read it. */
  readonly retentionMs: number
  /** The next leaf is opened when the current one has been written to for this long. */
  readonly rotateAfterMs: number
}

export interface HeldLeaf {
  readonly slot: number
  /** The groups that have not read all of it. */
  readonly groups: readonly string[]
}

export interface Maintenance {
  readonly emptied: readonly number[]
  readonly rotatedTo: number | null
  /** Leaves that are old enough to be emptied but are not read. */
  readonly held: readonly HeldLeaf[]
}

/**
 * Turns the ring: opens the next leaf and empties old ones. Never waits for an open transaction, and never makes a publish wait:
 * what cannot be locked at once is left for the next time. One process at a time does it; for others it does nothing.
 */
export async function maintainRing(db: Db, settings: RetentionSettings): Promise<Maintenance> {
  const emptied: number[] = []
  const held: HeldLeaf[] = []
  for (const slot of await agedSlots(db, settings)) {
    const outcome = await emptyLeaf(db, slot, settings)
    if (outcome === 'emptied') emptied.push(slot)
    else if (outcome !== 'later') held.push({ slot, groups: outcome })
  }
  if (emptied.length > 0) await forgetTicks(db)
  return { emptied, held, rotatedTo: await rotate(db, settings) }
}

async function agedSlots(db: Db, { retentionMs }: RetentionSettings): Promise<number[]> {
  const rows = await db.query<{ slot: number }>(
    `select l.slot from ${db.schema}.log_slot l, ${db.schema}.log_state s
     where l.slot <> s.slot and l.closed_at < clock_timestamp() - $1 * interval '1 millisecond' order by l.closed_at`,
    [retentionMs],
  )
  return rows.map(({ slot }) => slot)
}

/** Gives the groups that hold the leaf where some do. */
async function emptyLeaf(
  db: Db,
  slot: number,
  { retentionMs }: RetentionSettings,
): Promise<'emptied' | 'later' | string[]> {
  try {
    return await db.transaction(async (run) => {
      if (!(await isAlone(run, db))) return 'later'
      // Looked at without the lock first, so that the look under it is short and finds its pages in memory.
      const holding = await holders(run, db, slot)
      if (holding.length > 0) return holding
      await run(`set local lock_timeout = ${lockTimeoutMs}`)
      await run(`lock table ${leaf(db, slot)} in access exclusive mode`)
      // Nobody is writing to it now. What was committed since the first look is seen by this one.
      const stillHolding = await holders(run, db, slot)
      if (stillHolding.length > 0) return stillHolding
      point('log.beforeEmpty')
      await run(`truncate ${leaf(db, slot)}`)
      const [closed] = await run(
        `update ${db.schema}.log_slot l set opened_at = null, closed_at = null from ${db.schema}.log_state s
         where l.slot = $1 and l.slot <> s.slot and l.closed_at < clock_timestamp() - $2 * interval '1 millisecond' returning l.slot`,
        [slot, retentionMs],
      )
      if (closed === undefined) throw new ChangedMeanwhile()
      point('log.afterEmpty')
      return 'emptied'
    })
  } catch (error) {
    // 55P03: somebody uses the leaf, often a transaction that published into it and is still open.
    if (error instanceof ChangedMeanwhile || sqlStateOf(error) === '55P03') return 'later'
    throw error
  }
}

/** Rolls a truncation back: another process has turned the ring. */
class ChangedMeanwhile extends Error {}

/** The groups with unread rows in a leaf, exactly: by each cursor's snapshot, whatever its page position. */
async function holders(run: RunQuery, db: Db, slot: number): Promise<string[]> {
  await run('set local enable_seqscan = off')
  await run('set local enable_bitmapscan = off')
  const rows = await run<{ grp: string }>(
    `select distinct c.grp from ${db.schema}.cursor c, ${db.schema}.log_state s
     where case when c.gen = s.gen then
       exists (
         select from ${leaf(db, slot)} l
         where l.part = c.part and l.xid >= pg_snapshot_xmax(c.prev) and l.gen = c.gen
       ) or exists (
         select from pg_snapshot_xip(c.prev) x(xid), lateral (
           select from ${leaf(db, slot)} l where l.part = c.part and l.xid = x.xid and l.gen = c.gen offset 0
         ) l
       )
     else
       exists (
         select from ${leaf(db, slot)} l
         where l.part = c.part and (l.gen > c.gen or l.gen = c.gen and not pg_visible_in_snapshot(l.xid, c.prev))
       )
     end order by 1`,
  )
  return rows.map(({ grp }) => grp)
}

/** Opens the next leaf if it is empty; otherwise the current one goes on growing. Gives its number. */
async function rotate(db: Db, { rotateAfterMs }: RetentionSettings): Promise<number | null> {
  const { schema } = db
  return db.transaction(async (run) => {
    if (!(await isAlone(run, db))) return null
    const [due] = await run<{ slot: number }>(
      `select s.slot from ${schema}.log_state s join ${schema}.log_slot l using (slot)
       where l.opened_at < clock_timestamp() - $1 * interval '1 millisecond'`,
      [rotateAfterMs],
    )
    if (due === undefined) return null
    const next = (due.slot + 1) % leaves
    const [leafState] = await run<{ isUsed: boolean; isNextFree: boolean }>(
      `select exists (select from ${leaf(db, due.slot)}) as "isUsed", not exists (select from ${leaf(db, next)}) as "isNextFree"`,
    )
    if (leafState?.isUsed !== true) {
      // A quiet log: the clock of a leaf begins with its first rows.
      await run(`update ${schema}.log_slot set opened_at = clock_timestamp() where slot = $1`, [due.slot])
      return null
    }
    if (!leafState.isNextFree) return null
    point('log.beforeRotate')
    await run(`update ${schema}.log_state set slot = $1`, [next])
    await run(
      `update ${schema}.log_slot set opened_at = case slot when $2 then clock_timestamp() else opened_at end,
         closed_at = case slot when $1 then clock_timestamp() end where slot in ($1, $2)`,
      [due.slot, next],
    )
    point('log.afterRotate')
    return next
  })
}

/** Ticks below every cursor and from before the oldest leaf serve no reader any more. */
async function forgetTicks(db: Db): Promise<void> {
  await db.query(
    `delete from ${db.schema}.tick
     where at < (select min(opened_at) from ${db.schema}.log_slot)
       and hi < all (select pg_snapshot_xmax(prev) from ${db.schema}.cursor)`,
  )
}

async function isAlone(run: RunQuery, db: Db): Promise<boolean> {
  const [row] = await run<{ locked: boolean }>('select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as locked', [
    `acuse:ring:${db.schemaName}`,
  ])
  return row?.locked === true
}

function leaf(db: Db, slot: number): string {
  return `${db.schema}.log_${slot}`
}
