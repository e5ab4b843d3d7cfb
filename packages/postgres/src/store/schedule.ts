import type { Due, ScheduleStore, WireMessage } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { msFromNow, msUntil, nextDueInMs, runIn, type StoreBase } from './base.ts'
import { registerCron, runCron } from './cron.ts'
import { messageColumns, type MessageRow, messageOfRow, messageSelect, messageValues } from './message-columns.ts'
import { storable } from './texts.ts'

/** Appends to the log in the transaction that `run` stands for. */
export type Append = ScheduleLog['append']

/** The log that due messages go to. */
export interface ScheduleLog {
  append(run: RunQuery, messages: readonly WireMessage[]): Promise<void>
  /** Registers the streams of messages for when they are due: a kept message does not say how many partitions its stream has. */
  register(messages: readonly WireMessage[]): Promise<void>
}

/** Messages that are appended to the log at their time. */
export function createSchedule<Tx>(base: StoreBase<Tx>, log: ScheduleLog): ScheduleStore<Tx> {
  const { db } = base
  const append: Append = (run, messages) => log.append(run, messages)
  return {
    add: async (tx, message, due) => {
      await log.register([message])
      await add(runIn(base, tx), db.schema, message, due)
    },
    cancel: (tx, messageId) => cancel(runIn(base, tx), db.schema, messageId),
    dispatch: (limit) => dispatch(db, append, limit),
    now: () => now(db),
    registerCron: (name, expression, firstAt) => registerCron(db, name, expression, firstAt),
    runCron: (name, fire) => runCron(db, append, name, fire),
  }
}

/** The same id twice is the same message: the first stays. */
async function add(run: RunQuery, schema: string, message: WireMessage, due: Due): Promise<void> {
  await run(
    `insert into ${schema}.scheduled (${messageColumns}, due_at)
     values ($1, $2, $3, $4, $5, $6, $7, coalesce($8::timestamptz, ${msFromNow('$9')}))
     on conflict (id) do nothing`,
    [...messageValues(message), due.at?.toISOString() ?? null, due.inMs ?? 0],
  )
}

/** Waits for a dispatch that has it in hand, and is then too late. */
async function cancel(run: RunQuery, schema: string, messageId: string): Promise<boolean> {
  const rows = await run<{ count: number }>(
    `with gone as (delete from ${schema}.scheduled where id = $1 returning id) select count(*)::int as count from gone`,
    [storable(messageId)],
  )
  return (rows[0]?.count ?? 0) > 0
}

interface DueRow extends MessageRow {
  readonly seq: string
  readonly due_us: string
}

/** What is being cancelled is passed over: it is gone, or due again at the next look. */
async function dispatch(
  db: Db,
  append: Append,
  limit: number,
): Promise<{ readonly appended: number; readonly nextDueInMs: number | null }> {
  const appended = await db.transaction(async (run) => {
    const rows = await run<DueRow>(
      `with due as materialized (
         select seq from ${db.schema}.scheduled where due_at <= (select clock_timestamp())
         order by due_at, seq limit $1 for update skip locked
       )
       delete from ${db.schema}.scheduled s using due where s.seq = due.seq
       returning s.seq::text, (extract(epoch from s.due_at) * 1000000)::bigint::text as due_us, ${messageSelect('s')}`,
      [limit],
    )
    if (rows.length > 0) await append(run, rows.toSorted(byDue).map(messageOfRow))
    return rows.length
  })
  if (appended > 0 && appended >= limit) return { appended, nextDueInMs: 0 }
  const [next] = await db.query<{ ms: number | null }>(
    `select ${msUntil('min(due_at)')} as ms from ${db.schema}.scheduled`,
  )
  return { appended, nextDueInMs: nextDueInMs(next?.ms ?? null) }
}

function byDue(one: DueRow, other: DueRow): number {
  const difference = BigInt(one.due_us) - BigInt(other.due_us) || BigInt(one.seq) - BigInt(other.seq)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

async function now(db: Db): Promise<Date> {
  const [row] = await db.query<{ now: Date }>('select clock_timestamp() as now')
  if (row === undefined) throw new Error('The database did not tell the time.')
  return row.now
}
