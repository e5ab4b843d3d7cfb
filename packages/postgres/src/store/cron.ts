import type { WireMessage } from '@acuse/core'
import type { Db } from '../db.ts'
import { msUntil, nextDueInMs } from './base.ts'
import type { Append } from './schedule.ts'

/** See `ScheduleStore.registerCron`. */
export async function registerCron(db: Db, name: string, expression: string, firstAt: Date): Promise<void> {
  await db.query(
    `insert into ${db.schema}.cron as c (name, expression, next_at) values ($1, $2, $3::timestamptz)
     on conflict (name) do update set expression = excluded.expression, next_at = excluded.next_at
     where c.expression <> excluded.expression`,
    [name, expression, firstAt.toISOString()],
  )
}

/** See `ScheduleStore.runCron`. Whoever finds the entry in somebody else's hands comes back a moment later. */
export async function runCron(
  db: Db,
  append: Append,
  name: string,
  fire: (dueAt: Date, now: Date) => Promise<{ readonly message: WireMessage; readonly nextAt: Date }>,
): Promise<number | null> {
  await db.transaction(async (run) => {
    const [entry] = await run<{ next_at: Date; now: Date }>(
      `select next_at, clock_timestamp() as now from ${db.schema}.cron
       where name = $1 and next_at <= (select clock_timestamp()) for update skip locked`,
      [name],
    )
    if (entry === undefined) return
    const { message, nextAt } = await fire(entry.next_at, entry.now)
    await append(run, [message])
    await run(`update ${db.schema}.cron set next_at = $2::timestamptz where name = $1`, [name, nextAt.toISOString()])
  })
  const [row] = await db.query<{ ms: number }>(
    `select ${msUntil('next_at')} as ms from ${db.schema}.cron where name = $1`,
    [name],
  )
  return nextDueInMs(row?.ms ?? null)
}
