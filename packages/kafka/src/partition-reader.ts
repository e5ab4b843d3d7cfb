import type { Received, WireMessage } from '@acuse/core'
import type { RecordsBatch } from '@platformatic/kafka'
import type { Partition } from './offsets.ts'
import { CommittedRecords, type AbortedTransaction } from './records.ts'
import { PartitionWindow, type StoredPlace } from './window.ts'
import type { RecordReading } from './wire.ts'

/** Beyond this nothing more is fetched of a partition until some of it is given on. */
const mostFetchedBytes = 1_000_000

interface Fetched {
  readonly offset: number
  readonly message: WireMessage
}

/** A message of a partition, and where it lies. */
export interface KafkaMessage extends Received {
  readonly offset: number
}

export interface PartitionReaderOptions {
  readonly partition: Partition
  readonly place: StoredPlace
  readonly read: RecordReading
  /** How many messages may wait here. */
  readonly mostFetched: number
  /** A message is done with. */
  readonly onAck: (reader: PartitionReader) => void
}

/** What this process has of a partition that it owns: what is fetched, what is given on, and what is done. */
export class PartitionReader {
  readonly partition: Partition
  readonly window: PartitionWindow
  readonly #options: PartitionReaderOptions
  #fetched: Fetched[] = []
  #fetchedBytes = 0
  /** Where the next fetch begins. */
  #position: number
  #sawEnd = false
  #stopped = false
  /** How many acks there were. */
  acks = 0
  /** Those that are stored, and the offset that was stored last. */
  savedAcks = 0
  savedLow = -1

  constructor(options: PartitionReaderOptions) {
    this.partition = options.partition
    this.window = new PartitionWindow(options.place)
    this.#options = options
    this.#position = options.place.offset
  }

  get position(): number {
    return this.#position
  }

  /** Whether more of it should be fetched. */
  get isHungry(): boolean {
    return !this.#stopped && this.#fetched.length < this.#options.mostFetched && this.#fetchedBytes < mostFetchedBytes
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  /** Whether there is anything to give on. */
  get hasFetched(): boolean {
    return this.#fetched.length > 0
  }

  /** Whether its place has to be stored before the next message may be given on. */
  get isBlocked(): boolean {
    return this.hasFetched && this.window.headroom <= 0 && this.window.needsReach(1)
  }

  /** Nothing more of it is read. */
  stop(): void {
    this.#stopped = true
  }

  /** Takes over what was fetched from `position`. `end` is behind the last message that is there. */
  add(batches: readonly RecordsBatch[], aborted: readonly AbortedTransaction[], end: number): void {
    const { topic, index } = this.partition
    if (!this.#sawEnd) this.window.endsAt(end)
    this.#sawEnd = true
    for (const { offset, record } of new CommittedRecords(batches, aborted)) {
      if (offset < this.#position || this.window.isDone(offset)) continue
      const message = this.#options.read(record, topic.name, index, offset)
      if (message === null) continue
      this.#fetched.push({ offset, message })
      this.#fetchedBytes += message.body.byteLength
    }
    const last = batches.at(-1)
    if (last !== undefined) {
      this.#position = Math.max(this.#position, Number(last.firstOffset) + last.lastOffsetDelta + 1)
    }
    this.#passTheRest()
  }

  /** Gives on up to `most` messages, as far as is stored that they may be begun. */
  give(most: number): readonly KafkaMessage[] {
    const { window } = this
    const before = window.read + window.headroom
    const given: KafkaMessage[] = []
    for (const { offset, message } of this.#fetched) {
      if (given.length >= most || offset >= before) break
      window.give(offset)
      this.#fetchedBytes -= message.body.byteLength
      given.push({ message, offset, redelivered: window.isSuspect(offset), ack: () => this.#ack(offset) })
    }
    this.#fetched.splice(0, given.length)
    this.#passTheRest()
    return given
  }

  /** The place to leave behind, where `unbegun` came back. */
  lastPlace(unbegun: readonly KafkaMessage[]): StoredPlace {
    const notBegun = new Set(unbegun.map(({ offset }) => offset))
    return this.window.lastPlace(this.window.given().filter((offset) => !notBegun.has(offset)))
  }

  #ack(offset: number): void {
    this.window.settle(offset)
    this.acks++
    this.#options.onAck(this)
  }

  /** Whatever lies between what is given on is no message of the group's. */
  #passTheRest(): void {
    this.window.pass(this.#fetched[0]?.offset ?? this.#position)
  }
}
