import type { Db } from '../db.ts'
import { sqlStateOf } from '../db-errors.ts'
import type { Member } from './assignment.ts'

/** Where members of groups learn that another came, left or let go of something. */
export function membersChannel(schemaName: string): string {
  return `${schemaName}_members`
}

export interface Heartbeat {
  readonly group: string
  readonly member: string
  readonly streams: readonly number[] | null
  readonly leaseMs: number
}

/** A part of a group as stored. */
export interface StoredPart {
  readonly part: number
  readonly owner: string | null
  readonly epoch: number
  readonly ver: string
}

export interface GroupState {
  /** Those alive by the database's clock, this one included. */
  readonly members: readonly (Member & { readonly expiresInMs: number })[]
  readonly parts: readonly StoredPart[]
}

/** Says that this member lives for another `leaseMs`, and gives the group as it stands. */
export async function heartbeat(db: Db, { group, member, streams, leaseMs }: Heartbeat): Promise<GroupState> {
  const [beat] = await db.query<{ isNew: boolean }>(
    `with gone as (
       delete from ${db.schema}.member where (grp, id) in (
         select grp, id from ${db.schema}.member
         where grp = $1 and id <> $2 and expires_at < clock_timestamp() - interval '1 minute' for update skip locked
       )
     )
     insert into ${db.schema}.member (grp, id, streams, expires_at)
     values ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
     on conflict (grp, id) do update set streams = excluded.streams, expires_at = excluded.expires_at
     returning xmax = 0 as "isNew"`,
    [group, member, streams, leaseMs],
  )
  if (beat?.isNew === true) await tellMembers(db)
  const members = await db.query<Member & { expiresInMs: number }>(
    `select id, streams, (extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as "expiresInMs"
     from ${db.schema}.member where grp = $1 and expires_at > clock_timestamp()`,
    [group],
  )
  const parts = await db.query<StoredPart>(
    `select part, owner, epoch, ver from ${db.schema}.cursor where grp = $1 order by part`,
    [group],
  )
  return { members, parts }
}

/** Whether a heartbeat failed because its group is not there any more (a foreign key, SQLSTATE 23503). */
export function isDeletedGroup(error: unknown): boolean {
  return error instanceof Error && sqlStateOf(error) === '23503'
}

/** Takes this member off. What it still owns is free at once, and counts as not let go in order. */
export async function leaveGroup(db: Db, group: string, member: string): Promise<void> {
  await db.query(`delete from ${db.schema}.member where grp = $1 and id = $2`, [group, member])
  await tellMembers(db)
}

/** Wakes the members of all groups. */
export async function tellMembers(db: Db): Promise<void> {
  await db.query('select pg_notify($1, $2)', [membersChannel(db.schemaName), ''])
}
