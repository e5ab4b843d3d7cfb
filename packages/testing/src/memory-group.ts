import {
  AcuseError,
  checkAtLeast,
  type Clock,
  messageOf,
  pause,
  type Sink,
  type Source,
  type StartFrom,
  type Subscription,
} from '@acuse/core'
import type { LogEntry } from './memory-log.ts'
import { type MemoryPartition, partitionsOf } from './memory-partition.ts'
import { type Membership, MemorySubscription } from './memory-subscription.ts'

/** After this long a sink that does not answer a revoke loses the partition as if it had crashed. */
const revokeTimeoutMs = 30_000

/** A group's place in the log, and who reads which partition for it. */
export class MemoryGroup implements Membership {
  readonly #name: string
  readonly #entries: readonly LogEntry[]
  readonly #clock: Clock
  /** In the order they joined. */
  #members: readonly MemorySubscription[] = []
  /** By stream; under the empty name those of a reader of every stream. */
  readonly #partitions = new Map<string, readonly MemoryPartition[]>()

  constructor(name: string, entries: readonly LogEntry[], clock: Clock) {
    this.#name = name
    this.#entries = entries
    this.#clock = clock
  }

  join(instance: string, source: Source, sink: Sink, onError: (error: AcuseError) => void): MemorySubscription {
    checkAtLeast(`prefetch of group ${this.#name}`, source.prefetch, 1)
    const streams = source.streams === 'all' ? [null] : source.streams
    for (const stream of streams) this.#read(stream, source.from)
    const member = new MemorySubscription(this, { instance, source, sink, clock: this.#clock, onError })
    this.#members = [...this.#members, member]
    this.#assign(onError)
    return member
  }

  ownedBy(member: MemorySubscription): readonly MemoryPartition[] {
    return this.#all().filter((partition) => partition.owner === member)
  }

  leave(member: MemorySubscription): void {
    this.#members = this.#members.filter((other) => other !== member)
    for (const partition of this.ownedBy(member)) this.#letGo(partition)
    this.#assign()
  }

  crash(victim: string | Subscription): void {
    for (const member of this.#members) {
      if (member !== victim && member.instance !== victim) continue
      member.vanish()
      this.leave(member)
    }
  }

  /** What was out counts for nothing any more, and comes again once its owner has let go of it. */
  dropConnections(): void {
    for (const partition of this.#all()) {
      partition.abandon()
      if (partition.owner !== null && !partition.revoking)
        void this.#revoke(partition, partition.owner, () => undefined)
    }
    this.wake()
  }

  wake(): void {
    for (const member of this.#members) member.wake()
  }

  #all(): readonly MemoryPartition[] {
    return [...this.#partitions.values()].flat()
  }

  /** Makes the partitions of a stream the group has never read. */
  #read(stream: { readonly name: string; readonly partitions: number } | null, from: StartFrom): void {
    const name = stream?.name ?? ''
    const known = this.#partitions.get(name)
    if (known === undefined) {
      this.#partitions.set(name, partitionsOf(stream, this.#entries, this.#startOf(from)))
      return
    }
    const fresh = partitionsOf(stream, this.#entries, 0)
    if (fresh.length === known.length) return
    throw new AcuseError(
      'ACUSE_STREAM_MISMATCH',
      `Group ${this.#name} reads stream ${name} with another number of partitions than ${stream?.partitions ?? 0}. Every service must declare the same number.`,
    )
  }

  #startOf(from: StartFrom): number {
    if (from === 'earliest') return 0
    if (from === 'now') return this.#entries.length
    const first = this.#entries.findIndex((entry) => entry.at >= from.getTime())
    return first === -1 ? this.#entries.length : first
  }

  /** Spreads the partitions over the members in turn; who has one that is another's lets go of it first. */
  #assign(onError: (error: AcuseError) => void = () => undefined): void {
    for (const [stream, partitions] of this.#partitions) {
      const readers = this.#members.filter((member) => member.takesPartitions && reads(member, stream))
      for (const partition of partitions) {
        const target = readers[partition.index % readers.length] ?? null
        if (partition.owner === null) {
          partition.owner = target
          target?.wake()
        } else if (partition.owner !== target && partition.owner.takesPartitions && !partition.revoking) {
          void this.#revoke(partition, partition.owner, onError)
        }
      }
    }
  }

  async #revoke(
    partition: MemoryPartition,
    owner: MemorySubscription,
    onError: (error: AcuseError) => void,
  ): Promise<void> {
    partition.revoking = true
    const answered = new AbortController()
    const answer = async (): Promise<void> => {
      try {
        await owner.sink.revoke(partition.name)
      } catch (cause) {
        onError(new AcuseError('ACUSE_LEASE_LOST', `A sink failed to revoke: ${messageOf(cause)}`, { cause }))
      } finally {
        answered.abort()
      }
    }
    await Promise.race([answer(), pause(this.#clock, revokeTimeoutMs, answered.signal)])
    // Gone meanwhile: whoever took the partition since has nothing to do with this revoke.
    if (partition.owner !== owner) return
    this.#letGo(partition)
    this.#assign()
  }

  #letGo(partition: MemoryPartition): void {
    partition.abandon()
    partition.owner = null
    partition.revoking = false
  }
}

function reads(member: MemorySubscription, stream: string): boolean {
  const { streams } = member.source
  return streams === 'all' ? stream === '' : streams.some(({ name }) => name === stream)
}
