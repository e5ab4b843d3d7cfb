import { AcuseError } from '@acuse/core'
import type { StreamInfo } from '@nats-io/jetstream'
import type { Bucket } from './bucket.ts'
import { type LaneName, type Place, type PlaceRecord, placesOf, recordOf, textOfRecord } from './place.ts'
import { type Start, readStart } from './start.ts'
import { keys } from './topology.ts'

export interface PlaceKeeperOptions {
  readonly bucket: Bucket
  readonly group: string
  readonly stream: string
  readonly partition: number
  readonly lanes: readonly LaneName[]
  /** By which ownership it is kept. */
  readonly epoch: number
  /** Makes the stream anew where it is gone, and says what it is. */
  readonly ensure: () => Promise<StreamInfo>
  /** Undefined where it is gone. */
  readonly read: () => Promise<StreamInfo | undefined>
  readonly onError: (error: AcuseError) => void
}

export type Places = ReadonlyMap<LaneName, Place>

/**
 * A group's place in a partition, in one key of the bucket. Each write names the one before it, so that of two owners only the one
 * that has written last can write again.
 */
export class PlaceKeeper {
  readonly #options: PlaceKeeperOptions
  readonly #key: string
  #created = ''
  #places: Places | undefined
  #revision = 0
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(options: PlaceKeeperOptions) {
    this.#options = options
    this.#key = keys.place(options.group, options.stream, options.partition)
  }

  /** Takes the place over: from now on no earlier owner can store anything. Again after a break, with what was settled before it. */
  async open(): Promise<Places> {
    const { bucket, epoch, ensure, lanes, group, stream } = this.#options
    // What was sent last may still arrive at the server, so it has to be over.
    await this.#writing.catch(() => undefined)
    const info = await ensure()
    const entry = await bucket.read(this.#key)
    const record = entry === undefined ? undefined : recordOf(entry.value)
    if (record !== undefined && record.epoch > epoch) throw this.#stale()
    if (this.#places === undefined) {
      const known: Start | PlaceRecord = record ?? (await readStart(bucket, group, stream, info))
      this.#created = known.created
      this.#places = placesOf(
        lanes,
        'lanes' in known ? known : { lanes: { all: { last: known.last, open: [] } }, doubt: [] },
      )
    }
    this.#checkStream(info)
    this.#revision = entry?.revision ?? 0
    // Nothing is begun here yet: what is in doubt is what was.
    const doubt = [...this.#places.values()].flatMap((place) => place.open.filter((one) => place.isSuspect(one)))
    await this.#write(doubt)
    return this.#places
  }

  /** Stores what is so when its turn comes: of several that wait one does it for all. */
  store(): Promise<void> {
    this.#next ??= this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#writing = this.#next ?? Promise.resolve()
        this.#next = undefined
        return this.#write(null)
      })
    return this.#next
  }

  /** Stores it for the last time, with what may have been begun and is not settled. */
  async storeLast(doubt: readonly number[]): Promise<void> {
    await this.#next?.catch(() => undefined)
    await this.#writing.catch(() => undefined)
    await this.#write(doubt)
  }

  /** Whether the stream is still the one that is read. */
  async isSameStream(): Promise<boolean> {
    return (await this.#options.read())?.created === this.#created
  }

  async #write(doubt: readonly number[] | null): Promise<void> {
    const { bucket, epoch } = this.#options
    const places = [...(this.#places ?? [])]
    const records = places.map(([lane, place]) => ({ lane, place, record: place.record(doubt !== null) }))
    const lanes = Object.fromEntries(records.map(({ lane, record: of }) => [lane, of]))
    const record: PlaceRecord = { epoch, created: this.#created, lanes, doubt }
    const revision = await bucket.write(this.#key, textOfRecord(record), this.#revision)
    if (revision === undefined) throw this.#stale()
    this.#revision = revision
    for (const { place, record: of } of records) place.stored(of)
  }

  /** What is kept has to be of this very stream, and of no more than it holds. */
  #checkStream({ created, state }: StreamInfo): void {
    const { onError, group, stream, lanes } = this.#options
    const report = (code: 'ACUSE_HISTORY_GONE' | 'ACUSE_TRANSPORT_UNAVAILABLE', text: string): void =>
      onError(new AcuseError(code, `group ${group}, ${this.#name}: ${text}`))
    if (this.#created !== created) {
      report(
        'ACUSE_HISTORY_GONE',
        `stream ${stream} was deleted, with what was not read of it. The new one is read from its start.`,
      )
      this.#created = created
      this.#places = placesOf(lanes, { lanes: {}, doubt: [] })
      return
    }
    for (const place of this.#places?.values() ?? []) {
      if (place.cutTo(state.last_seq)) {
        const text = `stream ${stream} ends at ${state.last_seq}, before what was read of it: the server has lost its end.`
        report('ACUSE_HISTORY_GONE', `${text} What comes next is read.`)
      }
      // One that is empty has the number after its last as its first.
      if (place.passed(state.first_seq - 1)) {
        const text = `messages before ${state.first_seq} were taken out of stream ${stream}`
        report('ACUSE_HISTORY_GONE', `${text}; those the group had not read are gone.`)
      }
    }
  }

  #stale(): AcuseError {
    const text = `group ${this.#options.group}, ${this.#name}: another process has taken its place over.`
    return new AcuseError('ACUSE_LEASE_LOST', text)
  }

  get #name(): string {
    return `partition ${this.#options.stream}/${this.#options.partition}`
  }
}
