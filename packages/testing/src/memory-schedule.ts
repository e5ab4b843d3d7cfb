import type { ScheduleStore } from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import { rowKey, type ScheduledRow } from './memory-rows.ts'
import type { MemoryTx, Transaction } from './memory-transaction.ts'

export function memorySchedule(database: MemoryDatabase, instance: string): ScheduleStore<MemoryTx> {
  const { rows, clock, log } = database

  function dispatch(tx: Transaction, limit: number): { appended: number; nextDueInMs: number | null } {
    database.faults.hit('dispatch')
    const now = clock.now()
    const waiting = rows.scheduled
      .rows(tx)
      .toSorted((one, other) => one.dueAt - other.dueAt || one.sequence - other.sequence)
    // What somebody is cancelling is skipped.
    const due: ScheduledRow[] = []
    for (const row of waiting) {
      if (row.dueAt > now || due.length === limit) break
      if (tx.tryLockRow(`scheduled ${row.message.id}`)) due.push(row)
    }
    for (const row of due) rows.scheduled.delete(tx, row.message.id)
    log.appendIn(
      tx,
      due.map(({ message }) => message),
    )
    const next = waiting.find((row) => !due.includes(row))
    return { appended: due.length, nextDueInMs: next === undefined ? null : Math.max(0, next.dueAt - now) }
  }

  return {
    add: (tx, message, due) =>
      database.statement(tx, 'schedule', async (open) => {
        await open.lockRow(`scheduled ${message.id}`)
        if (rows.scheduled.get(open, message.id) !== undefined) return
        const dueAt = due.at?.getTime() ?? clock.now() + (due.inMs ?? 0)
        rows.scheduled.set(open, message.id, { message, dueAt, sequence: rows.nextSequence() })
      }),
    cancel: (tx, messageId) =>
      database.statement(tx, 'schedule', async (open) => {
        await open.lockRow(`scheduled ${messageId}`)
        return rows.scheduled.delete(open, messageId)
      }),
    dispatch: (limit) => database.transaction(instance, async (tx) => dispatch(tx, limit)),
    now: async () => {
      database.assertAlive(instance)
      return new Date(clock.now())
    },
    registerCron: (name, expression, firstAt) =>
      database.transaction(instance, async (tx) => {
        await lockCron(tx, name)
        if (rows.cron.get(tx, name)?.expression === expression) return
        rows.cron.set(tx, name, { name, expression, nextAt: new Date(firstAt) })
      }),
    runCron: (name, fire) =>
      database.transaction(instance, async (tx) => {
        // Whoever comes second waits here and then finds the entry moved.
        await lockCron(tx, name)
        const entry = rows.cron.get(tx, name)
        if (entry === undefined) return null
        const now = clock.now()
        if (entry.nextAt.getTime() > now) return entry.nextAt.getTime() - now
        const { message, nextAt } = await fire(new Date(entry.nextAt), new Date(now))
        log.appendIn(tx, [message])
        rows.cron.set(tx, name, { ...entry, nextAt: new Date(nextAt) })
        return Math.max(0, nextAt.getTime() - clock.now())
      }),
  }
}

async function lockCron(tx: Transaction, name: string): Promise<void> {
  await tx.lockRow(`cron ${rowKey(name)}`)
}
