import {
  AcuseError,
  ConfigurationError,
  type HistoryRange,
  type HistoryStore,
  type HistoryTake,
  type WireMessage,
} from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import type { LogEntry } from './memory-log.ts'
import { lockInbox, lockKey, newParked, rowKey, writeInbox } from './memory-rows.ts'
import type { Transaction } from './memory-transaction.ts'

/** What the log holds, to be given to a group once more. It keeps everything; a position is a place in it and where the replay ends. */
export function memoryHistory(database: MemoryDatabase, instance: string): HistoryStore {
  const { rows, clock, log } = database

  async function park(tx: Transaction, group: string, message: WireMessage, options: HistoryTake): Promise<boolean> {
    const known = await lockInbox(tx, rows, group, message.id)
    if (known !== undefined && !options.again) return false
    const ordered = options.ordered && message.key !== null
    await lockKey(tx, group, message, ordered)
    const waits = rows.parked.rows(tx).some((row) => row.group === group && row.message.id === message.id)
    const letter = rows.deadLetters.get(tx, rowKey(group, message.id))
    if (waits || letter?.state === 'dead' || letter?.state === 'replaying') return false
    const now = clock.now()
    if (known === undefined) writeInbox(tx, rows, group, message, now)
    const row = newParked(rows, { group, message, reason: 'replay', ordered, dueAt: now })
    rows.parked.set(tx, row.id, row)
    return true
  }

  function assertHeld({ from }: HistoryRange): void {
    if (from === undefined || from.getTime() >= log.since) return
    const since = new Date(log.since).toISOString()
    throw new AcuseError('ACUSE_HISTORY_GONE', `The log holds what was appended since ${since}. Replay from then on.`)
  }

  return {
    heldSince: async () => new Date(log.since),
    count: (group, range) =>
      database.transaction(instance, async (tx) => {
        assertHeld(range)
        const found = log.entries.filter((entry) => matches(entry, range))
        const known = found.filter(({ message }) => rows.inbox.get(tx, rowKey(group, message.id)) !== undefined)
        return {
          matching: found.length,
          known: known.length,
          first: dateOf(found.at(0)),
          last: dateOf(found.at(-1)),
        }
      }),
    begin: async (range) => {
      assertHeld(range)
      return `0/${log.entries.length}`
    },
    take: (group, range, position, options) =>
      database.transaction(instance, async (tx) => {
        const { place, end } = placeOf(position)
        const page = log.entries
          .slice(place, end)
          .filter((entry) => matches(entry, range))
          .slice(0, options.limit)
        let taken = 0
        for (const { message } of page) if (await park(tx, group, message, options)) taken++
        const last = page.at(-1)
        const isLast = last === undefined || page.length < options.limit
        return { taken, skipped: page.length - taken, next: isLast ? null : `${last.position + 1}/${end}` }
      }),
  }
}

function placeOf(position: string): { readonly place: number; readonly end: number } {
  const found = /^(\d+)\/(\d+)$/.exec(position)
  if (found === null)
    throw new ConfigurationError('The position to go on from is not one that a replay of this log gave.')
  return { place: Number(found[1]), end: Number(found[2]) }
}

function matches({ message, at }: LogEntry, { stream, types, key, from, to }: HistoryRange): boolean {
  return (
    message.stream === stream &&
    types.includes(message.type) &&
    (key === undefined || message.key === key) &&
    (from === undefined || at >= from.getTime()) &&
    (to === undefined || at < to.getTime())
  )
}

function dateOf(entry: LogEntry | undefined): Date | null {
  return entry === undefined ? null : new Date(entry.at)
}
