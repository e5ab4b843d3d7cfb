import { type AcuseError, type Clock, type Intake, Loop } from '@acuse/core'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import type { LaneMessage, LaneReader } from './lane-reader.ts'
import { Watcher } from './watcher.ts'

export interface ReadingOptions {
  readonly commands: Connection
  /** Its own, to wait on. */
  readonly waiting: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly group: string
  readonly prefetch: number
  readonly intake: Intake<LaneMessage>
  readonly blockMs: number
  /** Streams that tell of changes in who owns what. */
  readonly changes: readonly string[]
  readonly onChange: () => void
}

/** How much is read ahead of what is out, in each lane: as much as may be out, within these. */
const fewestAhead = 16
const mostAhead = 1_000
/** Whatever may be read is told; this is for what nobody thought of. */
const lookAgainMs = 5_000

/** Reads what this member owns as soon as there is something and room for it. */
export class Reading {
  readonly #options: ReadingOptions
  readonly #readers = new Map<string, LaneReader>()
  /** By key: the newest that is known of who owns what. */
  readonly #changes: Map<string, string>
  readonly #loop: Loop
  readonly #watcher: Watcher
  readonly #ahead: number
  #onRound: (() => void)[] = []
  #stopped = false

  constructor(options: ReadingOptions) {
    const { commands, waiting: connection, clock, prefetch, changes, blockMs } = options
    this.#options = options
    this.#ahead = Math.min(Math.max(prefetch, fewestAhead), mostAhead)
    this.#changes = new Map(changes.map((key) => [key, '0']))
    this.#loop = new Loop({ clock, round: () => this.#round(), onError: (error) => this.#onReadError(error) })
    this.#watcher = new Watcher({
      ...{ connection, commands, clock, blockMs },
      watched: () => this.#watched(),
      onNews: (news) => this.#onNews(news),
    })
  }

  get readers(): readonly LaneReader[] {
    return [...this.#readers.values()]
  }

  readerOf(partition: string): LaneReader | undefined {
    return this.#readers.get(partition)
  }

  start(): void {
    this.#loop.start()
    this.#watcher.start()
  }

  /** There may be something to read, or room for it. */
  wake(): void {
    this.#loop.wake()
  }

  add(reader: LaneReader): void {
    this.#readers.set(reader.partition.name, reader)
    this.#loop.wake()
  }

  drop(reader: LaneReader): void {
    reader.close()
    const { name } = reader.partition
    if (this.#readers.get(name) === reader) this.#readers.delete(name)
    this.#watcher.changed()
  }

  /** Reads nothing more; resolves when the acks given so far are stored, or cannot be. */
  async finish(): Promise<void> {
    this.#stopped = true
    for (const reader of this.readers) reader.close()
    await Promise.all([this.#loop.stop(), ...this.readers.map((reader) => reader.flush())])
  }

  /** Lets its connection go. */
  async end(): Promise<void> {
    this.#stopped = true
    // No round comes any more for who waits for one.
    this.#tellRound()
    await this.#watcher.stop()
  }

  async #round(): Promise<number> {
    try {
      const reads = this.#due().map(([reader, count]) => reader.read(count))
      const failed = (await Promise.allSettled(reads)).find((read) => read.status === 'rejected')
      if (reads.length > 0) this.#watcher.changed()
      if (failed !== undefined) throw failed.reason
      return this.#due().length > 0 ? 0 : lookAgainMs
    } finally {
      this.#tellRound()
    }
  }

  #tellRound(): void {
    for (const tell of this.#onRound.splice(0)) tell()
  }

  /** Who has something to read and room for it, and how much. Lanes have room of their own, so that a full low one holds up no higher one. */
  #due(): [reader: LaneReader, count: number][] {
    const due: [LaneReader, number][] = []
    for (const [, readers] of Map.groupBy(this.#readers.values(), ({ partition }) => partition.lane)) {
      const waiting = readers.reduce((sum, { partition }) => sum + this.#options.intake.waiting(partition.name), 0)
      const ready = readers.filter(({ more }) => more)
      // By half of it, so that not every ack asks for one message.
      if (ready.length === 0 || waiting > this.#ahead / 2) continue
      const each = Math.ceil((this.#ahead - waiting) / ready.length)
      due.push(...ready.map((reader): [LaneReader, number] => [reader, each]))
    }
    return due
  }

  #watched(): ReadonlyMap<string, string> {
    const watched = new Map(this.#changes)
    for (const { more, place, partition } of this.#readers.values()) {
      if (!more) watched.set(partition.key, place === '' ? '$' : place)
    }
    return watched
  }

  async #onNews(news: ReadonlyMap<string, string>): Promise<void> {
    for (const [key, id] of news) {
      if (!this.#changes.has(key)) continue
      this.#changes.set(key, id)
      this.#options.onChange()
    }
    const told = this.readers.filter(({ partition }) => news.has(partition.key))
    if (told.length === 0 || this.#stopped) return
    for (const reader of told) reader.wake()
    const round = new Promise<void>((resolve) => this.#onRound.push(resolve))
    this.#loop.wake()
    await round
  }

  #onReadError(error: unknown): void {
    const { commands, onError, group } = this.#options
    // A connection that is away says so itself, once.
    if (commands.connected) onError(asAcuseError(error, `group ${group}: reading`))
  }
}
