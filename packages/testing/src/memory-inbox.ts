import type { Inbox, InboxItem, Verdict } from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import { type InboxRow, lockInbox, type MemoryRows, parkedOfKey, rowKey, writeInbox } from './memory-rows.ts'
import type { MemoryTx, Transaction } from './memory-transaction.ts'

export function memoryInbox(database: MemoryDatabase, instance: string): Inbox<MemoryTx> {
  const { rows, clock } = database

  async function accept(tx: Transaction, group: string, items: readonly InboxItem[]): Promise<readonly Verdict[]> {
    // In one order, so that two batches with the same messages cannot wait for each other.
    const ids = [...new Set(items.map((item) => item.message.id))].toSorted()
    for (const id of ids) await lockInbox(tx, rows, group, id)
    return items.map((item) => verdictOn(tx, group, item))
  }

  function verdictOn(tx: Transaction, group: string, { message, ordered }: InboxItem): Verdict {
    const taken = rows.inbox.get(tx, rowKey(group, message.id))
    if (taken !== undefined) return sameBody(taken.body, message.body) ? 'duplicate' : 'conflict'
    if (ordered && parkedOfKey(tx, rows, group, message).length > 0) return 'blocked'
    writeInbox(tx, rows, group, message, clock.now())
    return 'new'
  }

  return {
    accept: (tx, group, items) => database.statement(tx, 'accept', (open) => accept(open, group, items)),
    purge: (olderThanMs, limit) =>
      database.transaction(instance, async (tx) => {
        const old = purgeable(tx, rows, clock.now() - olderThanMs).slice(0, limit)
        for (const { group, messageId } of old) rows.inbox.delete(tx, rowKey(group, messageId))
        return old.length
      }),
  }
}

/** Oldest first. What waits, or is dead and may be replayed, is not settled and keeps its row. */
function purgeable(tx: Transaction, rows: MemoryRows, before: number): readonly InboxRow[] {
  const unsettledLetters = rows.deadLetters.rows(tx).filter(({ state }) => state === 'dead' || state === 'replaying')
  const kept = new Set(
    [...unsettledLetters, ...rows.parked.rows(tx)].map(({ group, message }) => rowKey(group, message.id)),
  )
  return rows.inbox
    .rows(tx)
    .filter((row) => row.at < before && !kept.has(rowKey(row.group, row.messageId)))
    .toSorted((one, other) => one.at - other.at)
}

function sameBody(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
