import type { Claimed, ClaimRequest, ClaimResult, Parked, ParkReason, ParkRequest, WireMessage } from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import { buryRow, endReplay } from './memory-dead-letters.ts'
import {
  lockInbox,
  lockKey,
  type MemoryRows,
  newParked,
  type ParkedRow,
  parkedOfKey,
  rowKey,
  writeInbox,
} from './memory-rows.ts'
import type { MemoryFaultPoint } from './memory-faults.ts'
import type { MemoryTx, Transaction } from './memory-transaction.ts'

export function memoryParked(database: MemoryDatabase, instance: string): Parked<MemoryTx> {
  const { rows, clock } = database

  async function park(tx: Transaction, group: string, request: ParkRequest): Promise<Claimed | 'parked' | null> {
    const { message, reason, ordered, attempts, dueInMs, error, leaseMs } = request
    if ((await lockInbox(tx, rows, group, message.id)) !== undefined) return null
    await lockKey(tx, group, message, ordered)
    const now = clock.now()
    const first = !ordered || parkedOfKey(tx, rows, group, message).length === 0
    const row = newParked(rows, {
      group,
      message,
      reason,
      ordered,
      attempts,
      dueAt: now + dueInMs,
      failingSince: error === undefined ? null : now,
      error: error ?? null,
    })
    writeInbox(tx, rows, group, message, now)
    // A lease on what has to wait behind others would let it overtake them.
    if (leaseMs === undefined || !first) {
      rows.parked.set(tx, row.id, row)
      return 'parked'
    }
    return begin(tx, rows, row, leaseMs, now)
  }

  async function parkBehind(
    tx: Transaction,
    group: string,
    message: WireMessage,
    limit: number,
  ): Promise<'parked' | 'duplicate' | 'free' | 'full'> {
    if ((await lockInbox(tx, rows, group, message.id)) !== undefined) return 'duplicate'
    await lockKey(tx, group, message, true)
    const ahead = parkedOfKey(tx, rows, group, message).length
    if (ahead === 0) return 'free'
    if (ahead >= limit) return 'full'
    const now = clock.now()
    // Due at once: it is its place behind the others that holds it back, so nothing has to be done to let it go.
    const row = newParked(rows, { group, message, reason: 'behind', ordered: true, dueAt: now })
    rows.parked.set(tx, row.id, row)
    writeInbox(tx, rows, group, message, now)
    return 'parked'
  }

  /** Runs `outcome` on the row unless somebody else has claimed it since, or gives false. */
  function whileHeld(
    point: MemoryFaultPoint,
    tx: MemoryTx,
    claim: Claimed,
    outcome: (tx: Transaction, row: ParkedRow) => void,
  ): Promise<boolean> {
    return database.statement(tx, point, async (open) => {
      const row = await lockHeld(open, rows, claim)
      if (row === undefined) return false
      await lockKey(open, row.group, row.message, row.ordered)
      outcome(open, row)
      return true
    })
  }

  /** A row has no place for the partitions of its stream; the log knows them of what was published here. */
  function asTheLogHasIt({ partitions: _partitions, ...message }: WireMessage): WireMessage {
    const known = database.log.entries.find((entry) => entry.message.stream === message.stream)?.message.partitions
    return known === undefined ? message : { ...message, partitions: known }
  }

  return {
    park: (tx, group, request) => database.statement(tx, 'park', (open) => park(open, group, request)),
    parkBehind: (tx, group, message, limit) =>
      database.statement(tx, 'park', (open) => parkBehind(open, group, message, limit)),
    claim: (group, request) =>
      database.transaction(instance, async (tx) => {
        database.faults.hit('claim')
        const { claimed, nextDueInMs } = claimDue(tx, rows, group, request, clock.now())
        return { claimed: claimed.map((claim) => ({ ...claim, message: asTheLogHasIt(claim.message) })), nextDueInMs }
      }),
    extend: (_group, claims, leaseMs) =>
      database.transaction(instance, async (tx) => {
        const held: string[] = []
        for (const claim of claims) {
          const row = await lockHeld(tx, rows, claim)
          if (row === undefined) continue
          rows.parked.set(tx, row.id, { ...row, leasedUntil: clock.now() + leaseMs })
          held.push(row.id)
        }
        return held
      }),
    complete: (tx, group, claim) =>
      whileHeld('complete', tx, claim, (open, row) => {
        rows.parked.delete(open, row.id)
        endReplay(open, rows, group, row.message.id, 'replayed')
      }),
    reschedule: (tx, _group, claim, { reason, dueInMs, attempts, error }) =>
      whileHeld('reschedule', tx, claim, (open, row) => {
        const now = clock.now()
        rows.parked.set(open, row.id, {
          ...row,
          reason,
          attempts,
          dueAt: now + dueInMs,
          leasedUntil: null,
          token: row.token + 1,
          failingSince: row.failingSince ?? (error === undefined ? null : now),
          error: error ?? row.error,
        })
      }),
    bury: (tx, group, claim, death, block) =>
      whileHeld('bury', tx, claim, (open, row) => {
        const blocks = block && row.ordered
        buryRow(open, rows, { group, message: row.message, ordered: row.ordered, death, blocking: blocks }, clock.now())
        if (!blocks) rows.parked.delete(open, row.id)
        else rows.parked.set(open, row.id, { ...row, reason: 'dead', leasedUntil: null, token: row.token + 1 })
      }),
    remove: (tx, group, messageId) =>
      database.statement(tx, 'park', async (open) => {
        const found = rows.parked.rows(open).find((row) => row.group === group && row.message.id === messageId)
        if (found === undefined) return false
        await open.lockRow(`parked ${found.id}`)
        const row = rows.parked.get(open, found.id)
        if (row === undefined || row.reason === 'dead' || (row.leasedUntil ?? 0) > clock.now()) return false
        await lockKey(open, group, row.message, row.ordered)
        endReplay(open, rows, group, messageId, 'dead')
        return rows.parked.delete(open, row.id)
      }),
    counts: (group) =>
      database.transaction(instance, async (tx) => {
        const counts: Partial<Record<ParkReason, number>> = {}
        for (const row of rows.parked.rows(tx)) {
          if (row.group === group) counts[row.reason] = (counts[row.reason] ?? 0) + 1
        }
        return counts
      }),
  }
}

async function lockHeld(tx: Transaction, rows: MemoryRows, claim: Claimed): Promise<ParkedRow | undefined> {
  await tx.lockRow(`parked ${claim.id}`)
  const row = rows.parked.get(tx, claim.id)
  return row !== undefined && String(row.token) === claim.token ? row : undefined
}

function claimDue(tx: Transaction, rows: MemoryRows, group: string, request: ClaimRequest, now: number): ClaimResult {
  const claimed: Claimed[] = []
  let nextDueAt = Infinity
  for (const row of headsOf(rows.parked.rows(tx), group)) {
    const expired = row.leasedUntil !== null && row.leasedUntil <= now
    // What is leased is given out again only when its lease runs out, and then to who runs it alone.
    if ((row.leasedUntil !== null) !== request.crashed) continue
    const dueAt = row.leasedUntil ?? row.dueAt
    if (dueAt > now || claimed.length === request.limit) nextDueAt = Math.min(nextDueAt, dueAt)
    // Somebody is writing its outcome, or claiming it.
    else if (tx.tryLockRow(`parked ${row.id}`))
      claimed.push(begin(tx, rows, expired ? crashed(row, now) : row, request.leaseMs, now, expired))
  }
  return { claimed, nextDueInMs: nextDueAt === Infinity ? null : Math.max(0, nextDueAt - now) }
}

/** What may run: of each ordered key the first alone. In the order it is due. */
function headsOf(parked: readonly ParkedRow[], group: string): readonly ParkedRow[] {
  const keysSeen = new Set<string>()
  return parked
    .filter((row) => row.group === group)
    .toSorted((one, other) => one.sequence - other.sequence)
    .filter((row) => {
      if (!row.ordered || row.message.key === null) return true
      const key = rowKey(row.message.stream, row.message.key)
      const first = !keysSeen.has(key)
      keysSeen.add(key)
      return first
    })
    .filter((row) => row.reason !== 'dead')
    .toSorted((one, other) => one.dueAt - other.dueAt)
}

/** An attempt whose lease ran out counts, and the message runs alone from now on. */
function crashed(row: ParkedRow, now: number): ParkedRow {
  return { ...row, attempts: row.attempts + 1, failingSince: row.failingSince ?? now }
}

function begin(
  tx: Transaction,
  rows: MemoryRows,
  row: ParkedRow,
  leaseMs: number,
  now: number,
  afterCrash = false,
): Claimed {
  const leased: ParkedRow = { ...row, leasedUntil: now + leaseMs, token: row.token + 1 }
  rows.parked.set(tx, row.id, leased)
  return {
    id: leased.id,
    token: String(leased.token),
    message: leased.message,
    reason: leased.reason,
    ordered: leased.ordered,
    attempts: leased.attempts,
    crashed: afterCrash,
    failingForMs: leased.failingSince === null ? null : now - leased.failingSince,
  }
}
