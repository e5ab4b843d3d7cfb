import { AcuseError, type SourceStream } from '@acuse/core'
import type { Db } from '../db.ts'

/** What a stream gets that is published to before anybody declared it: `stream()`'s own default. */
const undeclaredPartitions = 4

export interface RegisteredStream {
  readonly id: number
  readonly name: string
  readonly partitions: number
}

/** The registered streams as this process knows them. A registered stream never changes, so what is known stays true. */
export class StreamRegistry {
  readonly #db: Db
  readonly #declared: ReadonlyMap<string, number>
  readonly #byName = new Map<string, RegisteredStream>()
  readonly #byId = new Map<number, RegisteredStream>()
  /** Registered lanes above the lowest, as `stream/lane`. */
  readonly #lanes = new Set<string>()
  readonly #registering = new Map<string, Promise<RegisteredStream>>()

  constructor(db: Db, declared: readonly SourceStream[]) {
    this.#db = db
    this.#declared = new Map(declared.map(({ name, partitions }) => [name, partitions]))
  }

  /** Reads all that are registered. */
  async load(): Promise<readonly RegisteredStream[]> {
    const streams = await this.#db.query<RegisteredStream>(
      `select id, name, partitions from ${this.#db.schema}.stream order by id`,
    )
    this.#byName.clear()
    this.#byId.clear()
    this.#lanes.clear()
    for (const stream of streams) this.#remember(stream)
    return streams
  }

  byName(name: string): RegisteredStream | undefined {
    return this.#byName.get(name)
  }

  byId(id: number): RegisteredStream | undefined {
    return this.#byId.get(id)
  }

  /**
   * Registers a stream with its declared partition count, in a transaction of its own: a caller's may stay open for long.
   * Throws `ACUSE_STREAM_MISMATCH` when it is registered with another count.
   */
  async declare({ name, partitions }: SourceStream): Promise<RegisteredStream> {
    const stream = await this.#registered(name, partitions)
    if (stream.partitions !== partitions) {
      throw new AcuseError(
        'ACUSE_STREAM_MISMATCH',
        `stream ${name} is declared with ${partitions} partitions but registered with ${stream.partitions}. Every service must declare the same number.`,
      )
    }
    return stream
  }

  /** Makes sure that a stream about to be published to is registered, with the count its publisher declares where it says one. */
  async ensure(name: string, partitions: number | undefined): Promise<RegisteredStream> {
    if (partitions !== undefined) return this.declare({ name, partitions })
    return this.#byName.get(name) ?? (await this.#registered(name, this.#declared.get(name) ?? undeclaredPartitions))
  }

  /** Makes sure that a lane is there before the first message of it is, in a transaction of its own: readers pass over lanes that are not. */
  async ensureLane({ id }: RegisteredStream, lane: number): Promise<void> {
    const name = `${id}/${lane}`
    if (lane === 0 || this.#lanes.has(name)) return
    await this.#db.query(
      `insert into ${this.#db.schema}.stream_lane (stream, lane) values ($1, $2) on conflict do nothing`,
      [id, lane],
    )
    this.#lanes.add(name)
  }

  /** Makes sure of streams that a transaction with an older snapshot could not see. Throws when one is not as this process knew it. */
  async confirm(names: Iterable<string>): Promise<void> {
    const known = [...names].map((name) => this.#byName.get(name))
    await this.load()
    const changed = known.find((stream) => stream !== undefined && this.#byName.get(stream.name)?.id !== stream.id)
    if (changed === undefined) return
    throw new AcuseError(
      'ACUSE_TRANSPORT_UNAVAILABLE',
      `stream ${changed.name} was registered anew: the log was emptied or replaced. Try again.`,
    )
  }

  #registered(name: string, partitions: number): Promise<RegisteredStream> {
    const known = this.#byName.get(name)
    if (known !== undefined) return Promise.resolve(known)
    const registering =
      this.#registering.get(name) ?? this.#register(name, partitions).finally(() => this.#registering.delete(name))
    this.#registering.set(name, registering)
    return registering
  }

  async #register(name: string, partitions: number): Promise<RegisteredStream> {
    const table = `${this.#db.schema}.stream`
    // The condition keeps every start of every process from using up one of the 32,767 ids.
    await this.#db.query(
      `insert into ${table} (name, partitions)
       select $1, $2 where not exists (select from ${table} where name = $1) on conflict (name) do nothing`,
      [name, partitions],
    )
    const [stream] = await this.#db.query<RegisteredStream>(
      `select id, name, partitions from ${table} where name = $1`,
      [name],
    )
    if (stream === undefined) {
      throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `stream ${name} was deleted while it was registered.`)
    }
    this.#remember(stream)
    return stream
  }

  #remember(stream: RegisteredStream): void {
    this.#byName.set(stream.name, stream)
    this.#byId.set(stream.id, stream)
  }
}
