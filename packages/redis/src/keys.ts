import { priorities, type OwnablePartition, type Priority, type SourceStream } from '@acuse/core'

/** One lane of one partition: a Redis stream, and what has one owner at a time. */
export interface LanePartition extends OwnablePartition {
  readonly stream: string
  readonly lane: number
  readonly key: string
  /** Its field in the table of leases. */
  readonly field: string
}

/** The keys of one stream. They share a hash tag, so that a script may use all of them in a cluster too. */
export class StreamKeys {
  readonly #base: string
  readonly #stream: string

  constructor(prefix: string, stream: string) {
    this.#base = `${prefix}:{${stream}}`
    this.#stream = stream
  }

  /** A hash: how many partitions there are, and which groups read them. */
  get meta(): string {
    return this.#base
  }

  lane(partition: number, priority: Priority): string {
    return `${this.#base}:${partition}:${priority}`
  }

  members(group: string): string {
    return `${this.#base}:${group}:members`
  }

  leases(group: string): string {
    return `${this.#base}:${group}:leases`
  }

  /** A stream of one entry, the newest of what changed about who owns what. */
  changes(group: string): string {
    return `${this.#base}:${group}:changes`
  }

  lanesOf({ partitions }: SourceStream): LanePartition[] {
    return priorities.flatMap((priority, lane) =>
      Array.from({ length: partitions }, (_, partition) => ({
        name: `${this.#stream}/${partition}/${priority}`,
        set: `${this.#stream}/${priority}`,
        stream: this.#stream,
        lane,
        key: this.lane(partition, priority),
        field: `${partition}:${priority}`,
      })),
    )
  }
}

/** Says which server this is, whatever its address. */
export function identityKey(prefix: string): string {
  return `${prefix}:identity`
}
