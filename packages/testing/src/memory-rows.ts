import type { CronRecord, DeadLetter, FailureRecord, ParkReason, SagaRecord, WireMessage } from '@acuse/core'
import { Table } from './memory-table.ts'
import type { Transaction } from './memory-transaction.ts'

/** A message a group has taken responsibility for. */
export interface InboxRow {
  readonly group: string
  readonly messageId: string
  readonly body: Uint8Array
  readonly at: number
}

export interface ParkedRow {
  readonly id: string
  readonly group: string
  /** Drawn while the key is held, so the messages of one key are in order by it. */
  readonly sequence: number
  readonly message: WireMessage
  readonly reason: ParkReason
  readonly ordered: boolean
  readonly attempts: number
  readonly dueAt: number
  readonly leasedUntil: number | null
  /** Grows with every claim and every outcome. */
  readonly token: number
  readonly failingSince: number | null
  readonly error: FailureRecord | null
}

export interface DeadLetterRow extends DeadLetter {
  readonly sequence: number
  readonly ordered: boolean
}

export interface ScheduledRow {
  readonly message: WireMessage
  readonly dueAt: number
  readonly sequence: number
}

/** Everything the in-memory store keeps beside its log. */
export class MemoryRows {
  readonly inbox: Table<InboxRow> = new Table()
  readonly parked: Table<ParkedRow> = new Table()
  readonly deadLetters: Table<DeadLetterRow> = new Table()
  readonly sagas: Table<{ readonly record: SagaRecord }> = new Table()
  readonly scheduled: Table<ScheduledRow> = new Table()
  readonly cron: Table<CronRecord> = new Table()
  #sequence = 0

  nextSequence(): number {
    return ++this.#sequence
  }
}

/** Names a row by its parts, which may hold any character. */
export function rowKey(...parts: readonly string[]): string {
  return JSON.stringify(parts)
}

/** Waits for whoever is accepting the same id, then says whether the group has taken it. */
export async function lockInbox(
  tx: Transaction,
  rows: MemoryRows,
  group: string,
  id: string,
): Promise<InboxRow | undefined> {
  const key = rowKey(group, id)
  await tx.lockRow(`inbox ${key}`)
  return rows.inbox.get(tx, key)
}

export function writeInbox(tx: Transaction, rows: MemoryRows, group: string, message: WireMessage, at: number): void {
  rows.inbox.set(tx, rowKey(group, message.id), { group, messageId: message.id, body: message.body, at })
}

/** Whoever lets a message of a key in or out of the parked ones holds the key: nobody is parked behind what just left. */
export async function lockKey(tx: Transaction, group: string, message: WireMessage, ordered: boolean): Promise<void> {
  if (ordered && message.key !== null) await tx.lockRow(`key ${rowKey(group, message.stream, message.key)}`)
}

/** The parked messages that hold the key back, first one first. */
export function parkedOfKey(
  tx: Transaction,
  rows: MemoryRows,
  group: string,
  message: Pick<WireMessage, 'stream' | 'key'>,
): readonly ParkedRow[] {
  if (message.key === null) return []
  return rows.parked
    .rows(tx)
    .filter(
      (row) =>
        row.ordered && row.group === group && row.message.stream === message.stream && row.message.key === message.key,
    )
    .toSorted((one, other) => one.sequence - other.sequence)
}

/** What a new parked row begins with. */
export function newParked(
  rows: MemoryRows,
  row: Pick<ParkedRow, 'group' | 'message' | 'reason' | 'ordered' | 'dueAt'> & Partial<ParkedRow>,
): ParkedRow {
  const sequence = rows.nextSequence()
  return {
    id: `parked-${sequence}`,
    sequence,
    attempts: 0,
    leasedUntil: null,
    token: 0,
    failingSince: null,
    error: null,
    ...row,
  }
}
