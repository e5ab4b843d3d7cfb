import type { ParkReason } from '@acuse/core'

/** A message of the property: what it is called, and its key. */
export const messages: Readonly<Record<string, string | null>> = {
  a1: 'a',
  a2: 'a',
  a3: 'a',
  b1: 'b',
  x1: null,
}

interface Row {
  readonly label: string
  readonly ordered: boolean
  reason: ParkReason
  attempts: number
  dueAt: number
  leasedUntil: number | null
  failing: boolean
  /** Another one after every claim and outcome: what a token stands for. */
  serial: number
}

/** A claim as the model knows it: of which row, and which of its claims. */
export interface ModelClaim {
  readonly label: string
  readonly serial: number
}

/** What a claim says. */
export interface ClaimAnswer {
  readonly label: string
  readonly reason: ParkReason
  readonly attempts: number
  readonly crashed: boolean
  readonly failing: boolean
}

/** The parked messages, dead letters and inbox of one group, in the simplest way there is. Time is in units. */
export class ParkedModel {
  now = 0
  /** Every claim ever given, stale ones too. */
  readonly claims: ModelClaim[] = []
  #serials = 0
  #rows: Row[] = []
  readonly #inbox = new Set<string>()
  readonly #letters = new Map<string, { state: string; blocking: boolean; readonly ordered: boolean }>()

  isTaken(label: string): boolean {
    return this.#inbox.has(label)
  }

  isHeld({ label, serial }: ModelClaim): boolean {
    return this.#rows.some((row) => row.label === label && row.serial === serial)
  }

  waitsBehind(label: string): number {
    return this.#rows.filter((row) => row.ordered && messages[row.label] === messages[label]).length
  }

  accept(label: string): string {
    if (this.#inbox.has(label)) return 'duplicate'
    if (messages[label] !== null && this.waitsBehind(label) > 0) return 'blocked'
    this.#inbox.add(label)
    return 'new'
  }

  park(
    label: string,
    row: Omit<Row, 'label' | 'leasedUntil' | 'serial'>,
    lease: number | undefined,
  ): string | ModelClaim {
    if (this.#inbox.has(label)) return 'taken'
    const first = !row.ordered || this.waitsBehind(label) === 0
    this.#inbox.add(label)
    const leased = lease !== undefined && first
    const serial = ++this.#serials
    if (leased) this.claims.push({ label, serial })
    this.#rows.push({ ...row, label, leasedUntil: leased ? this.now + lease : null, serial })
    return leased ? { label, serial } : 'parked'
  }

  parkBehind(label: string, limit: number): string {
    if (this.#inbox.has(label)) return 'duplicate'
    const ahead = this.waitsBehind(label)
    if (ahead === 0) return 'free'
    if (ahead >= limit) return 'full'
    this.park(label, { reason: 'behind', ordered: true, attempts: 0, dueAt: this.now, failing: false }, undefined)
    return 'parked'
  }

  claim(crashed: boolean, lease: number): { claims: ModelClaim[]; answers: ClaimAnswer[]; nextDueIn: number | null } {
    const heads = this.#heads().filter((row) => (row.leasedUntil !== null) === crashed)
    const due = heads.filter((row) => (row.leasedUntil ?? row.dueAt) <= this.now)
    const later = heads.filter((row) => !due.includes(row)).map((row) => (row.leasedUntil ?? row.dueAt) - this.now)
    for (const row of due) {
      if (crashed) row.attempts++
      if (crashed) row.failing = true
      row.leasedUntil = this.now + lease
      row.serial = ++this.#serials
    }
    const answers = due.map(({ label, reason, attempts, failing }) => ({ label, reason, attempts, crashed, failing }))
    const claims = due.map(({ label, serial }) => ({ label, serial }))
    this.claims.push(...claims)
    return { claims, answers, nextDueIn: later.length === 0 ? null : Math.min(...later) }
  }

  extend(claim: ModelClaim, lease: number): boolean {
    return this.#held(claim, (row) => {
      row.leasedUntil = this.now + lease
    })
  }

  complete(claim: ModelClaim): boolean {
    return this.#held(claim, (row) => {
      this.#drop(row)
      const letter = this.#letters.get(row.label)
      if (letter?.state === 'replaying') letter.state = 'replayed'
    })
  }

  reschedule(claim: ModelClaim, outcome: { attempts: number; dueIn: number; failed: boolean }): boolean {
    return this.#held(claim, (row) => {
      row.reason = 'retry'
      row.attempts = outcome.attempts
      row.dueAt = this.now + outcome.dueIn
      row.leasedUntil = null
      row.failing ||= outcome.failed
      row.serial = ++this.#serials
    })
  }

  bury(claim: ModelClaim, block: boolean): boolean {
    return this.#held(claim, (row) => {
      const blocking = block && row.ordered
      this.#letters.set(row.label, { state: 'dead', blocking, ordered: row.ordered })
      if (!blocking) return this.#drop(row)
      row.reason = 'dead'
      row.leasedUntil = null
      row.serial = ++this.#serials
    })
  }

  buryFresh(label: string, block: boolean): boolean {
    if (this.#inbox.has(label)) return false
    const ordered = messages[label] !== null
    const blocking = block && ordered
    this.#inbox.add(label)
    this.#letters.set(label, { state: 'dead', blocking, ordered })
    if (blocking) this.#add(label, 'dead', ordered)
    return true
  }

  remove(label: string): boolean {
    const row = this.#rows.find((one) => one.label === label)
    if (row === undefined || row.reason === 'dead' || (row.leasedUntil ?? -Infinity) > this.now) return false
    this.#drop(row)
    const letter = this.#letters.get(label)
    if (letter?.state === 'replaying') letter.state = 'dead'
    return true
  }

  replay(label: string): number {
    const letter = this.#letters.get(label)
    if (letter?.state !== 'dead') return 0
    const place = this.#rows.find((row) => row.label === label) ?? this.#add(label, 'replay', letter.ordered)
    Object.assign(place, { reason: 'replay', attempts: 0, dueAt: this.now, failing: false, serial: ++this.#serials })
    Object.assign(letter, { state: 'replaying', blocking: false })
    return 1
  }

  discard(label: string): number {
    const letter = this.#letters.get(label)
    if (letter?.state !== 'dead') return 0
    this.#rows = this.#rows.filter((row) => row.label !== label)
    Object.assign(letter, { state: 'discarded', blocking: false })
    return 1
  }

  /** All there is to see from outside. */
  seen(): { readonly counts: Record<string, number>; readonly letters: Record<string, string> } {
    const counts: Record<string, number> = {}
    for (const { reason } of this.#rows) counts[reason] = (counts[reason] ?? 0) + 1
    const letters = [...this.#letters].map(([label, { state, blocking }]) => [
      label,
      `${state}${blocking ? ' blocking' : ''}`,
    ])
    return { counts, letters: Object.fromEntries(letters) }
  }

  /** What may run: of each key the first alone. */
  #heads(): Row[] {
    return this.#rows.filter((row, at) => {
      const before = this.#rows.slice(0, at)
      const overtakes = row.ordered && before.some((one) => one.ordered && messages[one.label] === messages[row.label])
      return !overtakes && row.reason !== 'dead'
    })
  }

  #held(claim: ModelClaim, outcome: (row: Row) => void): boolean {
    const row = this.#rows.find(({ label, serial }) => label === claim.label && serial === claim.serial)
    if (row !== undefined) outcome(row)
    return row !== undefined
  }

  #add(label: string, reason: ParkReason, ordered: boolean): Row {
    const row: Row = {
      label,
      reason,
      ordered,
      attempts: 0,
      dueAt: this.now,
      leasedUntil: null,
      failing: false,
      serial: ++this.#serials,
    }
    this.#rows.push(row)
    return row
  }

  #drop(row: Row): void {
    this.#rows = this.#rows.filter((other) => other !== row)
  }
}
