import { type AcuseError, type Clock, Loop } from '@acuse/core'
import type { StreamInfo } from '@nats-io/jetstream'
import { purgeBefore, readMessage, readStreamInfo, readSubjects } from './api.ts'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { recordOf } from './place.ts'
import { lastBefore, type Start } from './start.ts'
import { readStream } from './streams.ts'
import { bucketStreamOf, keys, streamNameOf } from './topology.ts'

export interface KeeperOptions {
  readonly connection: Connection
  readonly bucket: string
  readonly retentionMs: number
  readonly everyMs: number
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** What a group has kept in the bucket about one stream. */
interface Kept {
  start: number
  readonly places: Map<number, number>
}

/** Trims the streams that this process knows to their retention. Several keepers do no harm to each other. */
export class Keeper {
  readonly #options: KeeperOptions
  /** With their partitions. */
  readonly #streams = new Map<string, number>()
  readonly #loop: Loop

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#loop = new Loop({
      clock: options.clock,
      round: async (signal) => {
        if (options.connection.connected) await this.#trimAll(signal)
        return options.everyMs
      },
      onError: (error) => {
        if (options.connection.connected) options.onError(asAcuseError(error, 'nats: trimming the streams'))
      },
    })
  }

  start(): void {
    this.#loop.start()
  }

  know({ name, partitions }: { readonly name: string; readonly partitions: number }): void {
    this.#streams.set(name, partitions)
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #trimAll(signal: AbortSignal): Promise<void> {
    if (this.#streams.size === 0 || !(await this.#isBucketOld())) return
    for (const [name, partitions] of this.#streams) {
      if (signal.aborted) return
      await this.#trim(name, partitions)
    }
  }

  /** A bucket that was lost and made anew does not know yet which groups there are: each writes its place when it reads again. */
  async #isBucketOld(): Promise<boolean> {
    const { connection, bucket, retentionMs } = this.#options
    const info = await readStreamInfo(connection, bucketStreamOf(bucket))
    return timeOf(info) - Date.parse(info.created) >= retentionMs
  }

  async #trim(name: string, partitions: number): Promise<void> {
    const { connection, retentionMs } = this.#options
    const info = await readStream(connection, name)
    if (info === undefined || info.state.messages === 0) return
    const floor = new Date(timeOf(info) - retentionMs)
    const old = await lastBefore(connection, name, floor, info)
    if (old < info.state.first_seq) return
    const settled = await this.#settledByAll(name, partitions, info)
    const last = Math.min(old, settled)
    if (last >= info.state.first_seq) await purgeBefore(connection, streamNameOf(name), last + 1)
  }

  /** Up to where every group that has ever read the stream is done with all its partitions. */
  async #settledByAll(name: string, partitions: number, info: StreamInfo): Promise<number> {
    const groups = await this.#readKept(name, info)
    const bounds = [...groups.values()].flatMap(({ start, places }) =>
      Array.from({ length: partitions }, (_, partition) => places.get(partition) ?? start),
    )
    return Math.min(info.state.last_seq, ...bounds)
  }

  async #readKept(name: string, { created }: StreamInfo): Promise<ReadonlyMap<string, Kept>> {
    const { connection, bucket } = this.#options
    const stored = bucketStreamOf(bucket)
    const groups = new Map<string, Kept>()
    const keptOf = (group: string): Kept => {
      // A group without a start, as after the bucket was lost, begins at the earliest.
      const kept = groups.get(group) ?? { start: 0, places: new Map<number, number>() }
      groups.set(group, kept)
      return kept
    }
    const prefix = `$KV.${bucket}.`
    for (const pattern of [keys.start('*', name), keys.place('*', name, '*')]) {
      for (const subject of await readSubjects(connection, stored, prefix + pattern)) {
        const message = await readMessage(connection, stored, { last_by_subj: subject })
        if (message === undefined) continue
        const [kind, group = '', , partition] = subject.slice(prefix.length).split('.')
        const value = Buffer.from(message.data ?? '', 'base64').toString()
        if (kind === 'start') {
          const start: Start = JSON.parse(value)
          if (start.created === created) keptOf(group).start = start.last
        } else {
          keptOf(group).places.set(Number(partition), settledOf(value, created))
        }
      }
    }
    return groups
  }
}

/** By the server's clock, when it was asked; ms since the epoch. */
function timeOf({ ts }: StreamInfo): number {
  // Servers before 2.10 do not say, and are refused when a connection is opened.
  if (ts === undefined) throw new Error('the server does not say what time it is')
  return Date.parse(ts)
}

/** Up to where a partition is settled; nothing of it where its place is of another stream of that name. */
function settledOf(text: string, created: string): number {
  const record = recordOf(text)
  if (record.created !== created) return 0
  const lanes = Object.values(record.lanes)
  return Math.min(...lanes.map(({ last, open }) => Math.min(last, ...open.map((sequence) => sequence - 1))))
}
