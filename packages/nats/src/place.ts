import type { Priority } from '@acuse/core'

export type LaneName = Priority | 'all'

/** How far a group has come in one lane of a partition: all up to `last` has come, and of that all but `open` is done. */
export interface LanePlace {
  readonly last: number
  readonly open: readonly number[]
  /** What comes after `last` up to here may have been begun too: it was handed on without asking anew. Absent where nothing was. */
  readonly ahead?: number
}

/** What the bucket keeps of a group's partition. */
export interface PlaceRecord {
  /** By which ownership it was written: a later one has the last word. */
  readonly epoch: number
  /** When the stream was made. Another one of the same name counts from 1 again. */
  readonly created: string
  readonly lanes: Readonly<Partial<Record<LaneName, LanePlace>>>
  /** What its owner may have begun and had not settled when it let go; null while it owns it, as then that is all that is open. */
  readonly doubt: readonly number[] | null
}

/**
 * So many numbers of the stream at least are noted as begun beyond what has come, so that what comes next need not wait for that: on a
 * busy machine with an answer in 50 ms, 20,000 messages took 2.6 s and more with a wait for each batch.
 */
const leastAhead = 64
const mostAhead = 8_192

/** A lane's place as its owner counts it. It holds what is open and nothing else, so it stays small however long one message takes. */
export class Place {
  /** What has come, ascending, and is not done; with whether an earlier owner may have begun it. */
  readonly #open = new Map<number, { readonly suspect: boolean; readonly bytes: number }>()
  readonly #suspects: ReadonlySet<number>
  readonly #suspectTo: number
  #last: number
  #openBytes = 0
  /** Up to here it is stored as begun. */
  #noted = 0
  #lastStored: number
  #window = leastAhead

  constructor({ last, open, ahead = 0 }: LanePlace, suspects: ReadonlySet<number>) {
    this.#last = last
    this.#lastStored = last
    this.#suspects = suspects
    this.#suspectTo = ahead
    for (const sequence of open.toSorted((one, other) => one - other)) {
      this.#open.set(sequence, { suspect: suspects.has(sequence), bytes: 0 })
    }
  }

  get last(): number {
    return this.#last
  }

  get openBytes(): number {
    return this.#openBytes
  }

  get open(): readonly number[] {
    return [...this.#open.keys()]
  }

  isSuspect(sequence: number): boolean {
    return this.#open.get(sequence)?.suspect === true
  }

  /** Whether it is stored as begun. */
  isNoted(sequence: number): boolean {
    return sequence <= this.#noted
  }

  /** Whether what comes next may soon not be. */
  get isNearlyNoted(): boolean {
    return this.#last + this.#window / 2 > this.#noted
  }

  /** A message has come, beyond all before, or again. */
  arrived(sequence: number, bytes: number): void {
    const known = this.#open.get(sequence)
    const suspect = known?.suspect ?? (sequence <= this.#suspectTo || this.#suspects.has(sequence))
    // In its place, as a Map keeps the order of what is set again.
    this.#open.set(sequence, { suspect, bytes })
    this.#openBytes += bytes - (known?.bytes ?? 0)
    this.passed(sequence)
  }

  done(sequence: number): void {
    this.#openBytes -= this.#open.get(sequence)?.bytes ?? 0
    this.#open.delete(sequence)
  }

  /** There is nothing for this lane up to here but what has come. Gives whether that is news. */
  passed(sequence: number): boolean {
    if (sequence <= this.#last) return false
    this.#last = sequence
    return true
  }

  /** The stream ends sooner: what is beyond its end is no more. Gives whether anything was. */
  cutTo(end: number): boolean {
    if (this.#last <= end) return false
    this.#last = end
    this.#lastStored = end
    this.#noted = Math.min(this.#noted, end)
    for (const sequence of this.#open.keys()) if (sequence > end) this.done(sequence)
    return true
  }

  /** What is to be stored; for the last time, what was handed on is known. */
  record(isLast: boolean): LanePlace {
    // The faster it goes, the further ahead.
    this.#window = Math.min(Math.max(2 * (this.#last - this.#lastStored), leastAhead), mostAhead)
    this.#lastStored = this.#last
    const ahead = Math.max(this.#suspectTo, isLast ? 0 : this.#last + this.#window)
    return { last: this.#last, open: this.open, ...(ahead > this.#last ? { ahead } : {}) }
  }

  /** It is stored. */
  stored({ last, ahead = last }: LanePlace): void {
    this.#noted = ahead
  }
}

/** The places of the lanes that are asked for, also where the group was read by other lanes before. */
export function placesOf(
  lanes: readonly LaneName[],
  { lanes: kept, doubt }: Pick<PlaceRecord, 'lanes' | 'doubt'>,
): Map<LaneName, Place> {
  const known = Object.values(kept)
  const allOpen = known.flatMap(({ open }) => open)
  const suspects = new Set(doubt ?? allOpen)
  return new Map(
    lanes.map((lane) => {
      const own = kept[lane]
      if (own !== undefined) return [lane, new Place(own, suspects)]
      // What other lanes were ahead comes again, and what was open in any of them is looked at in all: a lane leaves out what is not its own.
      const last = known.length === 0 ? 0 : Math.min(...known.map((each) => each.last))
      const ahead = Math.max(0, ...known.map((each) => each.ahead ?? 0))
      return [lane, new Place({ last, ahead, open: allOpen.filter((sequence) => sequence <= last) }, suspects)]
    }),
  )
}

export function textOfRecord(record: PlaceRecord): string {
  return JSON.stringify(record)
}

export function recordOf(text: string): PlaceRecord {
  const record: PlaceRecord = JSON.parse(text)
  return record
}
