import { AcuseError, type ClaimedLease, type Intake, type Received } from '@acuse/core'
import type { Redis } from 'ioredis'
import { asAcuseError, hasPrefix } from './errors.ts'
import { type LanePartition, StreamKeys } from './keys.ts'
import { ackScript, fenced, fetchScript, takeOverScript } from './read-scripts.ts'
import { listOf, numberOf, textOf } from './reply.ts'
import { wireMessageOf } from './wire.ts'

/** A message and the id of its entry. */
export interface LaneMessage extends Received {
  readonly entry: string
}

export interface LaneReaderOptions {
  readonly redis: Redis
  readonly prefix: string
  readonly group: string
  readonly member: string
  readonly partition: LanePartition
  readonly claimed: ClaimedLease
  readonly types: readonly string[] | 'all'
  readonly intake: Intake<LaneMessage>
  readonly onError: (error: AcuseError) => void
  /** It is another's, as the server says. */
  readonly onFenced: () => void
  /** The group has no place in it any more. Resolves when it has one again. */
  readonly onForgotten: () => Promise<void>
}

/** A page of what is taken over; and of acks that go out at once. */
const pageSize = 64
const mostAcks = 500
/** A read is ended by what exceeds this. */
const mostBytes = 1_024 * 1_024

/** Reads one lane of a partition for as long as this member owns it by one epoch. */
export class LaneReader {
  readonly partition: LanePartition
  readonly #options: LaneReaderOptions
  readonly #consumer: string
  readonly #doubt: ReadonlySet<string> | 'all'
  /** What was handed over and is not acked. */
  readonly #unsettled = new Set<string>()
  #acks: string[] = []
  #acking: Promise<boolean> | undefined
  /** The last entry that was read; empty at first. */
  #place = ''
  /** Whether something may be pending that this reader has not seen: what owners before have left, or what an answer that was lost has brought. */
  #takingOver: 'first' | 'again' | 'no' = 'first'
  #more = true
  #closed = false
  #reading: Promise<void> | undefined

  constructor(options: LaneReaderOptions) {
    const { partition, claimed, member } = options
    this.#options = options
    this.partition = partition
    this.#consumer = `${member}/${claimed.epoch}`
    this.#doubt = claimed.clean ? new Set(claimed.inDoubt) : 'all'
  }

  /** Whether there may be something to read at once. */
  get more(): boolean {
    return this.#more && !this.#closed
  }

  /** The id after which to wait for something new; valid once there is no more. */
  get place(): string {
    return this.#place
  }

  /** Something new is there. */
  wake(): void {
    this.#more = true
  }

  /** Reads what there is, at most `count`. Rejects when the server is away; what it may have answered is looked for then. */
  read(count: number): Promise<void> {
    this.#reading ??= this.#read(count).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(count: number): Promise<void> {
    try {
      if (this.#takingOver === 'no') await this.#fetch(count)
      else await this.#takeOver()
    } catch (error) {
      if (this.#takingOver === 'no') this.#takingOver = 'again'
      await this.#onFailure(error)
    }
  }

  /** Reads nothing more, and hands over nothing of what is being read: it stays pending, never begun. */
  close(): void {
    this.#closed = true
  }

  /** Whether all that owners before have left has been seen. Before that it cannot be said what is in doubt. */
  get seenAll(): boolean {
    return this.#takingOver !== 'first'
  }

  /** What this member, or one before, may have begun and has not settled: all but what was never begun. */
  inDoubt(unbegun: readonly LaneMessage[]): string[] {
    const surelyUnbegun = new Set(unbegun.filter(({ redelivered }) => !redelivered).map(({ entry }) => entry))
    return [...this.#unsettled].filter((entry) => !surelyUnbegun.has(entry))
  }

  /** Resolves when the acks given so far are stored, or cannot be, with whether they are. */
  async flush(): Promise<boolean> {
    while (this.#acks.length > 0 || this.#acking !== undefined) {
      if (!(await this.#sendAcks())) return false
    }
    return true
  }

  /** Sends the acks that could not be sent before. */
  retryAcks(): void {
    if (this.#acks.length > 0) void this.#sendAcks()
  }

  async #fetch(count: number): Promise<void> {
    const { redis, group } = this.#options
    const asksPlace = this.#place === '' ? 1 : 0
    const args = [...this.#fence, group, this.#consumer, count, mostBytes, asksPlace]
    const [entries, more, place] = listOf(await fetchScript.run(redis, this.#keys, args))
    this.#add(entries, () => false)
    if (this.#place === '') this.#place = textOf(place)
    this.#more = numberOf(more) === 1
  }

  async #takeOver(): Promise<void> {
    const { redis, group, onError } = this.#options
    const args = [...this.#fence, group, this.#consumer, this.#place, pageSize]
    const [entries, last, pending, gone] = listOf(await takeOverScript.run(redis, this.#keys, args))
    const isFirst = this.#takingOver === 'first'
    this.#add(entries, (entry) => isFirst && (this.#doubt === 'all' || this.#doubt.has(entry)))
    if (textOf(last) !== '') this.#place = textOf(last)
    if (numberOf(pending) < pageSize) this.#takingOver = 'no'
    if (numberOf(gone) > 0) {
      const text = `group ${group}, ${this.partition.name}: ${numberOf(gone)} messages were deleted from ${this.partition.key} before they were settled. Trim it by retentionMs only.`
      onError(new AcuseError('ACUSE_HISTORY_GONE', text))
    }
  }

  #add(entries: unknown, isInDoubt: (entry: string) => boolean): void {
    if (this.#closed) return
    const { intake, types } = this.#options
    const received: LaneMessage[] = []
    for (const reply of listOf(entries)) {
      const [id, values] = listOf(reply)
      const entry = textOf(id)
      this.#place = entry
      const message = wireMessageOf(entry, values, this.partition)
      if (types !== 'all' && !types.includes(message.type)) {
        this.#ack(entry)
        continue
      }
      this.#unsettled.add(entry)
      received.push({ entry, message, redelivered: isInDoubt(entry), ack: () => this.#ack(entry) })
    }
    intake.add(this.partition.name, received)
  }

  #ack(entry: string): void {
    this.#unsettled.delete(entry)
    this.#acks.push(entry)
    if (this.#acks.length === 1 && this.#acking === undefined) setImmediate(() => void this.#sendAcks())
  }

  /** One call at a time; what comes meanwhile goes with the next. */
  #sendAcks(): Promise<boolean> {
    this.#acking ??= this.#sendAllAcks().finally(() => {
      this.#acking = undefined
    })
    return this.#acking
  }

  /** Gives whether they are stored. */
  async #sendAllAcks(): Promise<boolean> {
    const { redis, group, onFenced, onError } = this.#options
    while (this.#acks.length > 0) {
      const sent = this.#acks.slice(0, mostAcks)
      try {
        await ackScript.run(redis, this.#keys, [...this.#fence, group, ...sent])
      } catch (error) {
        if (hasPrefix(error, fenced)) {
          this.#acks = []
          onFenced()
        } else if (redis.status === 'ready') {
          onError(asAcuseError(error, `group ${group}, ${this.partition.name}: acks`))
        }
        // They are sent again with the next ones, at the latest when the connection is back.
        return false
      }
      this.#acks = this.#acks.slice(sent.length)
    }
    return true
  }

  async #onFailure(error: unknown): Promise<void> {
    const { onFenced, onForgotten } = this.#options
    if (hasPrefix(error, fenced)) {
      this.#more = false
      return onFenced()
    }
    if (!isForgotten(error)) throw error
    this.#place = ''
    await onForgotten()
  }

  get #fence(): [field: string, epoch: number] {
    return [this.partition.field, this.#options.claimed.epoch]
  }

  get #keys(): [leases: string, stream: string] {
    const { prefix, group } = this.#options
    return [new StreamKeys(prefix, this.partition.stream).leases(group), this.partition.key]
  }
}

/** The stream or its group was deleted. */
function isForgotten(error: unknown): boolean {
  return error instanceof Error && /NOGROUP|no such key/i.test(error.message)
}
