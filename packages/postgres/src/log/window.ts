import type { LogRow, Page, ReadPoint } from './read-query.ts'

/** A message on its way through a subscription. */
export interface Entry {
  /** Counts the messages of the part since it was claimed. */
  readonly index: number
  /** How far the part is read once this message and all before it are done. */
  readonly point: ReadPoint
  readonly bytes: number
  readonly redelivered: boolean
  /** Dropped once acked, as a message may wait long for those before it. */
  message: LogRow['message']
  state: 'waiting' | 'delivered' | 'acked'
}

/** Taking entries off the front one by one would move all others each time. */
const mostKept = 256

export interface WindowStart {
  readonly part: number
  readonly point: ReadPoint
  /** Positions past `point` that are done with. */
  readonly done: readonly string[]
  /** How many messages past `point` an owner that did not let go in order may have begun. */
  readonly suspects: number
  /** None of them has a position after this one. */
  readonly suspectsTo: string
  /** How many past `point` may be delivered before the next save. */
  readonly reach: number
}

/**
 * What is read of one owned part and not yet done with, in the log's order. Acks come in any order; the cursor
 * may move up to the last message below which all are acked.
 */
export class Window {
  readonly part: number
  readonly #entries: Entry[] = []
  #readPoint: ReadPoint
  #low: ReadPoint
  /** How many entries in front are done with, and left there until it is worth moving the rest. */
  #head = 0
  /** The index of the first entry that is not done with. */
  #base = 0
  /** No entry before this index is waiting. */
  #next = 0
  #deliveredTo = 0
  #deliverableTo: number
  #suspects: number
  readonly #suspectsTo: bigint
  /** Positions not read yet that are done with. */
  readonly #doneAhead: Set<string>
  #waitingBytes = 0
  #acks = 0

  constructor({ part, point, done, suspects, suspectsTo, reach }: WindowStart) {
    this.part = part
    this.#readPoint = point
    this.#low = point
    this.#suspects = suspects
    this.#suspectsTo = BigInt(suspectsTo)
    this.#doneAhead = new Set(done)
    this.#deliverableTo = reach
  }

  /** Where the next page begins. */
  get readPoint(): ReadPoint {
    return this.#readPoint
  }

  /** How far the part is done with. */
  get low(): ReadPoint {
    return this.#low
  }

  /** How many messages are done with since the part was claimed. */
  get finished(): number {
    return this.#base
  }

  /** Positions past `low` that are done with, at most `limit`. */
  doneAhead(limit: number): string[] {
    const acked = this.#open()
      .filter(({ state }) => state === 'acked')
      .map(({ point }) => point.after)
    return [...acked, ...this.#doneAhead].slice(0, limit)
  }

  /** How many messages past `low` may have been begun. */
  get begun(): number {
    return Math.max(0, this.#deliveredTo - this.#base)
  }

  /** How many messages past `low` an earlier owner may have begun, and this one has not finished. */
  get suspects(): number {
    if (this.#suspects > 0) return this.#length + this.#suspects
    return this.#open().findLastIndex(({ redelivered, state }) => redelivered && state !== 'acked') + 1
  }

  /** About how many messages are read and not delivered. */
  get waiting(): number {
    return this.#base + this.#length - this.#next
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** How many more may be delivered before the next save. */
  get headroom(): number {
    return this.#deliverableTo - this.#next
  }

  /** Takes over the page that was read from `readPoint`. */
  add(page: Page): void {
    for (const { message, point } of page.rows) {
      if (message === null) continue
      const bytes = message.body.byteLength
      // What was appended after the claim, and what is read after that, was visible to no earlier owner.
      if (this.#suspects > 0 && BigInt(point.after) > this.#suspectsTo) this.#suspects = 0
      const redelivered = this.#suspects > 0
      if (redelivered) this.#suspects--
      const index = this.#base + this.#length
      if (this.#doneAhead.delete(point.after)) {
        this.#entries.push({ index, point, bytes, redelivered, message: null, state: 'acked' })
        continue
      }
      this.#entries.push({ index, point, bytes, redelivered, message, state: 'waiting' })
      this.#waitingBytes += bytes
    }
    this.#readPoint = page.next
    this.#advance()
  }

  /** The next message in order, delivered by this; undefined when there is none, or a save has to come first. */
  take(): Entry | undefined {
    const entry = this.headroom > 0 ? this.#entryAt(this.#next) : undefined
    if (entry === undefined) return undefined
    entry.state = 'delivered'
    this.#waitingBytes -= entry.bytes
    this.#skipTaken()
    this.#deliveredTo = Math.max(this.#deliveredTo, entry.index + 1)
    return entry
  }

  /** How often something was acked. */
  get acks(): number {
    return this.#acks
  }

  ack(entry: Entry): void {
    this.#acks++
    entry.state = 'acked'
    entry.message = null
    this.#advance()
  }

  /** It was not begun: it is delivered again, before what comes after it. */
  release(entry: Entry): void {
    entry.state = 'waiting'
    this.#waitingBytes += entry.bytes
    this.#next = Math.min(this.#next, entry.index)
  }

  /** It is durable that `finished` messages are done with and at most `reach` past them begun. */
  saved(finished: number, reach: number): void {
    this.#deliverableTo = finished + reach
  }

  #advance(): void {
    let entry = this.#entries[this.#head]
    while (entry?.state === 'acked') {
      this.#low = entry.point
      this.#head++
      this.#base++
      entry = this.#entries[this.#head]
    }
    if (this.#head >= mostKept || this.#length === 0) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
    if (this.#length === 0) this.#low = this.#readPoint
    this.#next = Math.max(this.#next, this.#base)
    this.#skipTaken()
  }

  #skipTaken(): void {
    for (;;) {
      const entry = this.#entryAt(this.#next)
      if (entry === undefined || entry.state === 'waiting') return
      this.#next++
    }
  }

  get #length(): number {
    return this.#entries.length - this.#head
  }

  #entryAt(index: number): Entry | undefined {
    return this.#entries[this.#head + index - this.#base]
  }

  #open(): Entry[] {
    return this.#entries.slice(this.#head)
  }
}
