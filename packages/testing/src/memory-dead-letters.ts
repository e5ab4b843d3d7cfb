import {
  AcuseError,
  type DeadLetter,
  type DeadLetterFilter,
  type DeadLetterStore,
  type Death,
  type WireMessage,
} from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import {
  type DeadLetterRow,
  lockInbox,
  lockKey,
  type MemoryRows,
  newParked,
  parkedOfKey,
  rowKey,
  writeInbox,
} from './memory-rows.ts'
import type { MemoryTx, Transaction } from './memory-transaction.ts'

const defaultLimit = 100

export function memoryDeadLetters(database: MemoryDatabase, instance: string): DeadLetterStore<MemoryTx> {
  const { rows, clock } = database

  async function bury(
    tx: Transaction,
    group: string,
    message: WireMessage,
    death: Death,
    block: boolean,
  ): Promise<boolean> {
    if ((await lockInbox(tx, rows, group, message.id)) !== undefined) return false
    const ordered = message.key !== null
    const blocking = block && ordered
    await lockKey(tx, group, message, ordered)
    const now = clock.now()
    writeInbox(tx, rows, group, message, now)
    buryRow(tx, rows, { group, message, ordered, death, blocking }, now)
    if (blocking) {
      const held = newParked(rows, { group, message, reason: 'dead', ordered, dueAt: now })
      rows.parked.set(tx, held.id, held)
    }
    return true
  }

  async function replay(tx: Transaction, letter: DeadLetterRow): Promise<void> {
    const { group, message, ordered } = letter
    await lockKey(tx, group, message, ordered)
    const held = letter.blocking ? placeOf(tx, letter) : undefined
    const place =
      held === undefined
        ? newParked(rows, { group, message, reason: 'replay', ordered, dueAt: clock.now() })
        : { ...held, reason: 'replay' as const, dueAt: clock.now(), attempts: 0, failingSince: null }
    rows.parked.set(tx, place.id, place)
    rows.deadLetters.set(tx, letterKey(letter.group, letter.message.id), {
      ...letter,
      state: 'replaying',
      blocking: false,
    })
  }

  async function discard(tx: Transaction, letter: DeadLetterRow): Promise<void> {
    await lockKey(tx, letter.group, letter.message, letter.ordered)
    const held = letter.blocking ? placeOf(tx, letter) : undefined
    if (held !== undefined) rows.parked.delete(tx, held.id)
    rows.deadLetters.set(tx, letterKey(letter.group, letter.message.id), {
      ...letter,
      state: 'discarded',
      blocking: false,
    })
  }

  function placeOf(tx: Transaction, { group, message }: DeadLetterRow): ReturnType<typeof newParked> | undefined {
    return parkedOfKey(tx, rows, group, message).find((row) => row.message.id === message.id)
  }

  /** Does `work` with every letter that matches and is still dead, each held meanwhile. */
  async function withDead(
    tx: Transaction,
    filter: DeadLetterFilter,
    work: (letter: DeadLetterRow) => Promise<void>,
  ): Promise<number> {
    let taken = 0
    for (const { group, message } of select(rows.deadLetters.rows(tx), filter, isDead)) {
      await tx.lockRow(`letter ${letterKey(group, message.id)}`)
      const letter = rows.deadLetters.get(tx, letterKey(group, message.id))
      if (letter === undefined || !isDead(letter)) continue
      await work(letter)
      taken++
    }
    return taken
  }

  return {
    bury: (tx, group, message, death, { block }) =>
      database.statement(tx, 'bury', (open) => bury(open, group, message, death, block)),
    list: (filter) =>
      database.transaction(instance, async (tx) => select(rows.deadLetters.rows(tx), filter).map(shown)),
    replay: (filter, { force }) =>
      database.transaction(instance, (tx) =>
        withDead(tx, filter, (letter) => {
          if (!force) assertRemembered(tx, rows, letter)
          return replay(tx, letter)
        }),
      ),
    discard: (filter) => database.transaction(instance, (tx) => withDead(tx, filter, (letter) => discard(tx, letter))),
  }
}

/** Writes the letter; one message has one letter in a group, however often it dies. */
export function buryRow(
  tx: Transaction,
  rows: MemoryRows,
  grave: Pick<DeadLetterRow, 'group' | 'message' | 'ordered' | 'blocking'> & { readonly death: Death },
  now: number,
): void {
  const { group, message, ordered, blocking, death } = grave
  const key = letterKey(group, message.id)
  const sequence = rows.nextSequence()
  const id = rows.deadLetters.get(tx, key)?.id ?? `letter-${sequence}`
  const letter: DeadLetterRow = {
    ...death,
    id,
    group,
    state: 'dead',
    message,
    diedAt: new Date(now),
    blocking,
    ordered,
    sequence,
  }
  rows.deadLetters.set(tx, key, letter)
}

/** A replay is over: applied, or taken back before it ran, so that the letter is as dead as before. */
export function endReplay(
  tx: Transaction,
  rows: MemoryRows,
  group: string,
  messageId: string,
  state: 'replayed' | 'dead',
): void {
  const key = letterKey(group, messageId)
  const letter = rows.deadLetters.get(tx, key)
  if (letter?.state === 'replaying') rows.deadLetters.set(tx, key, { ...letter, state })
}

/** The purge never takes the row of a dead letter: without it nobody could say whether the message was applied since. */
function assertRemembered(tx: Transaction, rows: MemoryRows, { id, group, message }: DeadLetterRow): void {
  if (rows.inbox.get(tx, rowKey(group, message.id)) !== undefined) return
  throw new AcuseError(
    'ACUSE_REPLAY_REFUSED',
    `Dead letter ${id} is not in the inbox of ${group} any more, so a replay could apply it twice. Use force if that is harmless.`,
  )
}

function select(
  letters: readonly DeadLetterRow[],
  filter: DeadLetterFilter,
  also: (letter: DeadLetterRow) => boolean = () => true,
): readonly DeadLetterRow[] {
  return letters
    .filter((letter) => matches(letter, filter) && also(letter))
    .toSorted((one, other) => one.diedAt.getTime() - other.diedAt.getTime() || one.sequence - other.sequence)
    .slice(0, filter.limit ?? defaultLimit)
}

function matches(letter: DeadLetterRow, filter: DeadLetterFilter): boolean {
  const wanted = <T>(want: T | undefined, is: T): boolean => want === undefined || want === is
  return (
    wanted(filter.group, letter.group) &&
    (filter.ids === undefined || filter.ids.includes(letter.id)) &&
    wanted(filter.stream, letter.message.stream) &&
    wanted(filter.type, letter.message.type) &&
    wanted<string | null>(filter.key, letter.message.key) &&
    wanted(filter.fingerprint, letter.fingerprint) &&
    wanted(filter.reason, letter.reason) &&
    wanted(filter.state, letter.state) &&
    (filter.diedAfter === undefined || letter.diedAt >= filter.diedAfter) &&
    (filter.diedBefore === undefined || letter.diedAt < filter.diedBefore)
  )
}

function isDead({ state }: DeadLetterRow): boolean {
  return state === 'dead'
}

function shown({ sequence: _sequence, ordered: _ordered, ...letter }: DeadLetterRow): DeadLetter {
  return letter
}

function letterKey(group: string, messageId: string): string {
  return rowKey(group, messageId)
}
