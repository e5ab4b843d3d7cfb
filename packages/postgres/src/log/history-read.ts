import { partitionHash, type HistoryRange, type WireMessage } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { partsOf, priorityOf } from './parts.ts'
import { emptySnapshot } from './read-query.ts'

/**
 * How far a range of the log is read. Generations before the current one first, by position; in the current one windows between
 * snapshots, each by position, as every reader reads: so the messages of a key come in the order in which groups got them.
 */
export interface HistoryPosition {
  readonly gen: number
  readonly prev: string
  readonly target: string | null
  readonly after: string
  /** What was committed when the replay began; nothing else is read. */
  readonly end: string
  /** Since when the log held everything then, ms since the epoch. */
  readonly heldSinceMs: number
}

export interface HistoryRows {
  readonly messages: readonly WireMessage[]
  /** null at the end. */
  readonly next: HistoryPosition | null
}

/** A page ends with the message that reaches this many bytes of bodies. */
const mostBytes = 8 * 1024 * 1024
/** Ticks are 500 rows apart or more; a window of so many is sorted in some milliseconds. */
const windowRows = 10_000
/** A page of a range with few matches in much history looks at this many windows, and is then given as it is. */
const mostWindows = 50

/** Since when the log holds everything. */
export async function heldSince(query: RunQuery, schema: string): Promise<Date> {
  const [row] = await query<{ at: Date }>(`select min(opened_at) as at from ${schema}.log_slot`)
  if (row === undefined) throw new Error('the log has no slots: its migration did not run to its end')
  return row.at
}

/** The parts that a range is in; none of a stream that nobody has published to. */
export async function partsOfRange(db: Db, range: HistoryRange): Promise<number[]> {
  const [stream] = await db.query<{ id: number; partitions: number }>(
    `select id, partitions from ${db.schema}.stream where name = $1`,
    [range.stream],
  )
  if (stream === undefined) return []
  const { id, partitions } = stream
  const parts = partsOf(id, partitions)
  if (range.key === undefined) return parts
  const partition = partitionHash({ key: range.key, id: '' }) % partitions
  return parts.filter((_, index) => index % partitions === partition)
}

/** Where a range begins now. By itself: a snapshot taken in a transaction that writes would count that as done. */
export async function beginningOf(db: Db, from: Date | undefined): Promise<HistoryPosition> {
  const [row] = await db.query<{ prev: string; end: string; held: Date }>(
    `select pg_current_snapshot()::text as end,
       -- A row appended since is not visible in a snapshot from before.
       coalesce((select t.snap from ${db.schema}.tick t where t.at <= $1 order by t.hi desc limit 1), '${emptySnapshot}')::text as prev,
       (select min(opened_at) from ${db.schema}.log_slot) as held`,
    [from ?? null],
  )
  if (row === undefined) throw new Error('the log has no slots: its migration did not run to its end')
  return {
    gen: 1,
    prev: row.prev,
    target: null,
    after: '0',
    end: row.end,
    heldSinceMs: row.held.getTime(),
  }
}

interface Row {
  readonly pos: string
  readonly part: number
  readonly key: string | null
  readonly id: string
  readonly type: string
  readonly headers: string
  readonly body: Buffer
  readonly scanned: number
}

/** Reads the next page, of at most `limit` messages. Changes nothing. */
export async function readHistory(
  db: Db,
  parts: readonly number[],
  range: HistoryRange,
  start: HistoryPosition,
  limit: number,
): Promise<HistoryRows> {
  return db.transaction(async (run) => {
    // Statistics of a leaf that one transaction filled, or that was just emptied, mislead the planner.
    await run('set local enable_seqscan = off')
    await run('set local enable_bitmapscan = off')
    const [state] = await run<{ gen: number }>(`select gen from ${db.schema}.log_state`)
    const current = state?.gen ?? start.gen
    let position = start
    for (let windows = 0; windows < mostWindows; windows++) {
      const old = position.gen < current
      const target = old ? null : (position.target ?? (await nextTarget(run, db.schema, position)))
      const rows = await readWindow(run, db.schema, { parts, range, position: { ...position, target }, limit, old })
      const messages = rows.map((row) => messageOf(row, range.stream))
      const next = after(position, target, rows, limit)
      if (messages.length > 0 || next === null) return { messages, next }
      position = next
    }
    return { messages: [], next: position }
  })
}

/** The snapshot that the next window ends with: the last tick before too many rows, or the end. */
async function nextTarget(run: RunQuery, schema: string, { prev, end }: HistoryPosition): Promise<string> {
  const [row] = await run<{ snap: string }>(
    `with first as (
       select last_pos from ${schema}.tick
       where hi > pg_snapshot_xmax($1::pg_snapshot) and hi <= pg_snapshot_xmax($2::pg_snapshot) order by hi limit 1
     )
     select t.snap::text as snap from ${schema}.tick t, first
     where t.hi > pg_snapshot_xmax($1::pg_snapshot) and t.hi <= pg_snapshot_xmax($2::pg_snapshot)
       and t.last_pos <= first.last_pos + ${windowRows}
     order by t.hi desc limit 1`,
    [prev, end],
  )
  return row?.snap ?? end
}

interface WindowRequest {
  readonly parts: readonly number[]
  readonly range: HistoryRange
  readonly position: HistoryPosition
  readonly limit: number
  readonly old: boolean
}

const columns = 'l.pos, l.part, l.key, l.id, l.type, l.headers, l.body'

async function readWindow(run: RunQuery, schema: string, request: WindowRequest): Promise<Row[]> {
  const { parts, range, position, limit, old } = request
  const matching = `l.type = any($2) and ($3::text is null or l.key = $3) and l.at >= coalesce($4, '-infinity'::timestamptz)
    and l.at < coalesce($5, 'infinity'::timestamptz) and l.gen = $6 and l.pos > $7`
  const window = old
    ? `select ${columns} from ${schema}.log l where l.part = any($1::int[]) and ${matching}`
    : `select ${columns} from ${schema}.log l
       where l.part = any($1::int[]) and ${matching} and l.xid >= pg_snapshot_xmax($8::pg_snapshot)
         and l.xid < pg_snapshot_xmax($9::pg_snapshot) and pg_visible_in_snapshot(l.xid, $9::pg_snapshot)
       union all
       select ${columns} from pg_snapshot_xip($8::pg_snapshot) x(xid)
       cross join lateral (select l.* from ${schema}.log l where l.part = any($1::int[]) and l.xid = x.xid offset 0) l
       where pg_visible_in_snapshot(x.xid, $9::pg_snapshot) and ${matching}`
  return run<Row>(
    `select pos, part, key, id, type, headers::text as headers, body, scanned from (
       select p.*, count(*) over ()::int as scanned, sum(octet_length(p.body)) over (order by p.pos) as bytes
       from (${window} order by pos limit ${limit}) p
     ) page
     where bytes - octet_length(body) < ${mostBytes} order by pos`,
    [
      parts,
      range.types,
      range.key ?? null,
      range.from ?? null,
      range.to ?? null,
      position.gen,
      position.after,
      ...(old ? [] : [position.prev, position.target]),
    ],
  )
}

/** Where to go on after a page, or null where the range is read to its end. */
function after(
  position: HistoryPosition,
  target: string | null,
  rows: readonly Row[],
  limit: number,
): HistoryPosition | null {
  const last = rows.at(-1)
  const isPartial = last !== undefined && (last.scanned >= limit || last.scanned > rows.length)
  if (isPartial) return { ...position, target, after: last.pos }
  if (target === null) return { ...position, gen: position.gen + 1, after: '0' }
  if (target === position.end) return null
  return { ...position, prev: target, target: null, after: '0' }
}

function messageOf(row: Row, stream: string): WireMessage {
  const { id, type, key, headers, body, part } = row
  return {
    id,
    type,
    stream,
    key,
    priority: priorityOf(part),
    headers: JSON.parse(headers) as Record<string, string>,
    body,
  }
}
