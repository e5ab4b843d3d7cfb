/**
 * How far a partition may be read beyond the first message that is not done with: each has a bit in what is stored with the offset, and
 * 20,000 bits are 3,334 letters of the 4,096 that a broker takes (offset.metadata.max.bytes).
 */
export const mostSpan = 20_000
const format = 'acuse1'

/** A group's place in a partition, as the broker keeps it. */
export interface StoredPlace {
  /** All before it is done with. */
  readonly offset: number
  /** Beyond it: which are done with, and how far an owner may have begun. */
  readonly metadata: string
}

/**
 * What a group has of one partition: up to which offset all is done, which are done beyond it, and how far something may have been begun.
 * Stored with the offset as in Confluent's Parallel Consumer, so that acks count in any order.
 */
export class PartitionWindow {
  /** Before it everything was given to the intake, or is no message of the group's. */
  #read: number
  /** What was given and is not done with, in order. */
  readonly #open = new Set<number>()
  /** What an earlier owner has done, and is not read again yet. */
  readonly #doneAhead: Set<number>
  /** Below it an owner that did not let go cleanly may have begun anything. */
  #suspectsTo: number
  #reach: number

  constructor({ offset, metadata }: StoredPlace) {
    const { reach, done } = decode(metadata)
    this.#read = offset
    this.#doneAhead = new Set(done.map((distance) => offset + distance))
    this.#suspectsTo = offset + reach
    this.#reach = offset
  }

  /** All before it is done with. */
  get low(): number {
    const [first] = this.#open
    return first ?? this.#read
  }

  /** Where reading goes on. */
  get read(): number {
    return this.#read
  }

  /** How many are given and not done with. */
  get openCount(): number {
    return this.#open.size
  }

  /** How many more offsets may be given before the place is stored again. */
  get headroom(): number {
    return Math.min(this.#reach, this.low + mostSpan) - this.#read
  }

  /** Whether the place should be stored, as little or nothing more may be given before it is. */
  needsReach(allowance: number): boolean {
    return this.#reach < Math.min(this.#read + allowance / 2, this.low + mostSpan)
  }

  /** Nothing after the end of the partition was begun by anybody. */
  endsAt(offset: number): void {
    this.#suspectsTo = Math.min(this.#suspectsTo, offset)
  }

  /** Whether an earlier owner has done it. */
  isDone(offset: number): boolean {
    return this.#doneAhead.has(offset)
  }

  /** Whether an earlier owner may have begun it. */
  isSuspect(offset: number): boolean {
    return offset < this.#suspectsTo
  }

  /** It is given to be applied. */
  give(offset: number): void {
    this.pass(offset + 1)
    this.#open.add(offset)
  }

  /** Whatever lies before it and was not given is done with. */
  pass(offset: number): void {
    if (offset <= this.#read) return
    this.#read = offset
    for (const done of this.#doneAhead) if (done < offset) this.#doneAhead.delete(done)
  }

  settle(offset: number): void {
    this.#open.delete(offset)
  }

  /** The place to store while it is owned: up to `allowance` more may be begun before it is stored again. */
  place(allowance: number): StoredPlace & { readonly reach: number } {
    const { low } = this
    const reach = Math.min(Math.max(this.#read + allowance, this.#suspectsTo), low + mostSpan)
    return { ...this.#placeWith(reach), reach }
  }

  /** The place to store when it is let go of, with what may have been begun and is neither done nor given back. */
  lastPlace(inDoubt: readonly number[]): StoredPlace {
    const suspects = this.low < this.#suspectsTo ? this.#suspectsTo : 0
    return this.#placeWith(Math.max(suspects, ...inDoubt.map((offset) => offset + 1)))
  }

  /** What is given and not done with. */
  given(): readonly number[] {
    return [...this.#open]
  }

  /** It is stored how far may be begun. */
  stored({ reach }: { readonly reach: number }): void {
    this.#reach = Math.max(this.#reach, reach)
  }

  #placeWith(reach: number): StoredPlace {
    const { low } = this
    const done: number[] = []
    for (let offset = low; offset < this.#read; offset++) if (!this.#open.has(offset)) done.push(offset - low)
    for (const offset of this.#doneAhead) done.push(offset - low)
    return { offset: low, metadata: encode(Math.max(0, reach - low), done) }
  }
}

/** How far may be begun past the offset, and a bit for each offset that is done: `acuse1:<reach>:<bits>`, or nothing. */
function encode(reach: number, done: readonly number[]): string {
  if (reach === 0 && done.length === 0) return ''
  const last = done.reduce((most, distance) => Math.max(most, distance), -1)
  const bytes = Buffer.alloc((last >> 3) + 1)
  for (const distance of done) bytes.writeUInt8(bytes.readUInt8(distance >> 3) | (1 << (distance & 7)), distance >> 3)
  return `${format}:${reach.toString(36)}:${bytes.toString('base64url')}`
}

/** What others have written, as who sets a group's offsets by hand, says nothing. */
function decode(metadata: string): { readonly reach: number; readonly done: readonly number[] } {
  const [, reach, bits] = /^acuse1:([0-9a-z]{1,6}):([\w-]*)$/.exec(metadata) ?? []
  if (reach === undefined || bits === undefined) return { reach: 0, done: [] }
  const done: number[] = []
  for (const [index, byte] of Buffer.from(bits, 'base64url').entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) done.push(index * 8 + bit)
  }
  return { reach: Number.parseInt(reach, 36), done }
}
