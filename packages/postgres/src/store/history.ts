import { AcuseError, ConfigurationError, type HistoryCount, type HistoryRange, type HistoryStore } from '@acuse/core'
import type { Db } from '../db.ts'
import { beginningOf, type HistoryPosition, heldSince, partsOfRange, readHistory } from '../log/history-read.ts'
import type { StoreBase } from './base.ts'
import { parkHistory } from './history-park.ts'

/** Counting reads all of the range; ten million rows take about as long. */
const countTimeoutMs = 120_000

/** The log as what can be given to a group once more. */
export function createHistory<Tx>({ db, groups }: StoreBase<Tx>): HistoryStore {
  return {
    heldSince: () => heldSince(db.query.bind(db), db.schema),
    count: async (group, range) => {
      await assertHeld(db, range)
      return count(db, (await groups.find(group)) ?? null, range)
    },
    begin: async (range) => {
      const position = await beginningOf(db, range.from)
      if (range.from !== undefined && range.from.getTime() < position.heldSinceMs) throw gone(position.heldSinceMs)
      return JSON.stringify(position)
    },
    take: async (group, range, position, { limit, ordered, again }) => {
      const start = positionOf(position)
      const parts = await partsOfRange(db, range)
      const { messages, next } = await readHistory(db, parts, range, start, limit)
      // Looked at after the page was read: what it does not show because it was emptied is noticed.
      await assertStillHeld(db, range, start)
      const taken =
        messages.length === 0 ? 0 : await parkHistory(db, { grp: await groups.idOf(group), messages, ordered, again })
      return { taken, skipped: messages.length - taken, next: next === null ? null : JSON.stringify(next) }
    },
  }
}

async function assertHeld(db: Db, { from }: HistoryRange): Promise<void> {
  const since = await heldSince(db.query.bind(db), db.schema)
  if (from !== undefined && from < since) throw gone(since.getTime())
}

/** A leaf that is emptied during a replay takes with it what was not read yet. */
async function assertStillHeld(db: Db, { from }: HistoryRange, { heldSinceMs }: HistoryPosition): Promise<void> {
  const since = (await heldSince(db.query.bind(db), db.schema)).getTime()
  if (since > (from?.getTime() ?? heldSinceMs)) throw gone(since)
}

function gone(sinceMs: number): AcuseError {
  const since = new Date(sinceMs).toISOString()
  return new AcuseError(
    'ACUSE_HISTORY_GONE',
    `The log holds what was appended since ${since}, and not all that is asked for. Replay from ${since} on; a longer retentionMs keeps more from now on.`,
  )
}

function positionOf(text: string): HistoryPosition {
  const refused = new ConfigurationError('The position to go on from is not one that a replay of this log gave.')
  try {
    const parsed: unknown = JSON.parse(text)
    if (isPosition(parsed)) return parsed
  } catch (cause) {
    refused.cause = cause
  }
  throw refused
}

function isPosition(value: unknown): value is HistoryPosition {
  if (typeof value !== 'object' || value === null) return false
  const fields = ['gen', 'prev', 'target', 'after', 'end', 'heldSinceMs']
  return fields.every((field) => field in value)
}

interface CountRow {
  readonly matching: number
  readonly known: number
  readonly first: Date | null
  readonly last: Date | null
}

async function count(db: Db, grp: number | null, range: HistoryRange): Promise<HistoryCount> {
  const parts = await partsOfRange(db, range)
  const { schema } = db
  const [row] = await db.transaction(
    (run) =>
      run<CountRow>(
        `select count(*)::int as matching,
           count(*) filter (where exists (select from ${schema}.inbox b where b.grp = $1 and b.id = l.id))::int as known,
           min(l.at) as first, max(l.at) as last
         from ${schema}.log l
         where l.part = any($2::int[]) and l.type = any($3) and ($4::text is null or l.key = $4)
           and l.at >= coalesce($5, '-infinity'::timestamptz) and l.at < coalesce($6, 'infinity'::timestamptz)`,
        [grp, parts, range.types, range.key ?? null, range.from ?? null, range.to ?? null],
      ),
    { statementTimeoutMs: countTimeoutMs },
  )
  return row ?? { matching: 0, known: 0, first: null, last: null }
}
