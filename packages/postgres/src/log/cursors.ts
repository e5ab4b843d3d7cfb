import type { StartFrom } from '@acuse/core'
import type { Db } from '../db.ts'
import type { Incarnation } from './incarnation.ts'
import { partsOf } from './parts.ts'
import { emptySnapshot, type ReadPoint } from './read-query.ts'
import type { RegisteredStream } from './streams.ts'

export interface GroupRegistration {
  readonly group: string
  readonly streams: readonly RegisteredStream[]
  /** Whether it reads every stream, also later ones. */
  readonly all: boolean
  readonly from: StartFrom
}

/**
 * Gives the group a cursor for each part of those streams it has none for. `from` counts for streams it has never read;
 * a group that reads all streams starts those registered after itself at their beginning.
 */
export async function registerGroup(db: Db, { group, streams, all, from }: GroupRegistration): Promise<void> {
  const parts = streams.flatMap(({ id, partitions }) => partsOf(id, partitions).map((part) => ({ part, stream: id })))
  const since = from instanceof Date ? from : null
  // Autocommitted alone: the snapshot of a transaction that had published would count that as read.
  await db.query(
    `with known as materialized (
       select exists (select from ${db.schema}.log_group where name = $1) as known
     ), grp as (
       insert into ${db.schema}.log_group (name, all_streams) values ($1, $2)
       on conflict (name) do update set all_streams = log_group.all_streams or excluded.all_streams
       returning name
     ), start as materialized (
       select case when $3 = 'now' and not (known and $2) then 'now' when $3 = 'since' and tick.snap is not null then 'tick' else 'earliest' end as kind,
         tick.snap
       from known left join lateral (
         select snap from ${db.schema}.tick where at <= $4 order by hi desc limit 1
       ) tick on true
     )
     -- Versions begin with the time, so that no save of a deleted group's reader fits a group of the same name made later.
     insert into ${db.schema}.cursor (grp, part, ver, gen, prev, since)
     select grp.name, q.part, (extract(epoch from clock_timestamp()) * 1000000)::bigint,
       case start.kind when 'earliest' then 1 else state.gen end,
       case start.kind when 'now' then pg_current_snapshot() when 'tick' then start.snap else '${emptySnapshot}'::pg_snapshot end,
       $4
     from grp, start, ${db.schema}.log_state state, unnest($5::integer[], $6::integer[]) q(part, stream)
     where not exists (
       select from ${db.schema}.cursor c
       where c.grp = $1 and c.part >= q.stream * 1024 and c.part < (q.stream + 1) * 1024
     )
     on conflict do nothing`,
    [
      group,
      all,
      since === null ? from : 'since',
      since,
      parts.map(({ part }) => part),
      parts.map(({ stream }) => stream),
    ],
  )
}

/** Forgets a group: its cursors, its members and so its leases. What of it still runs finds that it owns nothing. */
export async function deleteGroup(db: Db, group: string): Promise<void> {
  await db.query(`delete from ${db.schema}.log_group where name = $1`, [group])
}

export interface ClaimRequest {
  readonly group: string
  readonly member: string
  readonly parts: readonly { readonly part: number; readonly epoch: number }[]
  /** How many messages past the cursor the owner may begin before it saves. */
  readonly reach: number
}

export interface ClaimedPart {
  readonly part: number
  readonly epoch: number
  readonly ver: string
  readonly point: ReadPoint
  /** Positions past the point that are done with. */
  readonly done: readonly string[]
  readonly since: Date | null
  readonly suspects: number
  /** The last position drawn before the claim: what comes after it no earlier owner can have begun. */
  readonly suspectsTo: string
  readonly previousOwner: string | null
  /** Where the point is from. */
  readonly incarnation: Incarnation | null
}

/** Takes parts that nobody alive owns. A new epoch fences the owner before; parts that changed meanwhile are left out. */
export async function claimParts(db: Db, { group, member, parts, reach }: ClaimRequest): Promise<ClaimedPart[]> {
  const rows = await db.query<Omit<ClaimedPart, 'point'> & ReadPoint>(
    `with free as (
       select c.part, c.owner, case when c.clean then 0 else c.reach end as suspects
       from ${db.schema}.cursor c join unnest($2::integer[], $3::integer[]) q(part, epoch)
         on c.part = q.part and c.epoch = q.epoch
       where c.grp = $1 and (c.owner is null or c.owner = $4 or not exists (
         select from ${db.schema}.member m where m.grp = $1 and m.id = c.owner and m.expires_at > clock_timestamp()
       ))
       for update of c skip locked
     )
     update ${db.schema}.cursor c
     set owner = $4, epoch = c.epoch + 1, ver = c.ver + 1, clean = false, reach = greatest($5, free.suspects)
     from free where c.grp = $1 and c.part = free.part
     returning c.part, c.epoch, c.ver, c.gen, c.prev::text, c.target::text, c.after, c.done::text[], c.since,
       free.suspects, (select last_value from ${db.schema}.log_position) as "suspectsTo", free.owner as "previousOwner", ${db.schema}.log_incarnation() as incarnation`,
    [group, parts.map(({ part }) => part), parts.map(({ epoch }) => epoch), member, reach],
  )
  return rows.map(({ gen, prev, target, after, ...row }) => ({ ...row, point: { gen, prev, target, after } }))
}

export interface CursorSave {
  readonly part: number
  readonly epoch: number
  readonly ver: string
  readonly point: ReadPoint
  /** Positions past the point that are done with. */
  readonly done: readonly string[]
  readonly reach: number
  /** Whether it also lets go of the part. */
  readonly release: boolean
  /** Whether nothing past the cursor can have been begun. */
  readonly clean: boolean
}

/**
 * Stores how far parts are done with, each only while its epoch and version are the expected ones, and only while
 * the server runs that the snapshots in it come from. Gives the new versions of those stored.
 */
export async function saveCursors(
  db: Db,
  group: string,
  incarnation: Incarnation,
  saves: readonly CursorSave[],
): Promise<Map<number, string>> {
  const rows = await db.query<{ part: number; ver: string }>(
    `update ${db.schema}.cursor c
     set gen = q.gen, prev = q.prev::pg_snapshot, target = q.target::pg_snapshot, after = q.after, ver = c.ver + 1,
       done = q.done::bigint[], reach = q.reach, clean = q.clean, owner = case when q.release then null else c.owner end
     from unnest($3::integer[], $4::integer[], $5::bigint[], $6::integer[], $7::text[], $8::text[], $9::bigint[],
       $10::text[], $11::integer[], $12::boolean[], $13::boolean[])
       q(part, epoch, ver, gen, prev, target, after, done, reach, release, clean)
     where c.grp = $1 and c.part = q.part and c.epoch = q.epoch and c.ver = q.ver and ${db.schema}.log_incarnation() = $2
     returning c.part, c.ver`,
    [
      group,
      incarnation,
      saves.map(({ part }) => part),
      saves.map(({ epoch }) => epoch),
      saves.map(({ ver }) => ver),
      saves.map(({ point }) => point.gen),
      saves.map(({ point }) => point.prev),
      saves.map(({ point }) => point.target),
      saves.map(({ point }) => point.after),
      saves.map(({ done }) => `{${done.join()}}`),
      saves.map(({ reach }) => reach),
      saves.map(({ release }) => release),
      saves.map(({ clean }) => clean),
    ],
  )
  return new Map(rows.map(({ part, ver }) => [part, ver]))
}
