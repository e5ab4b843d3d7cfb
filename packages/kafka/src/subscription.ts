import { AcuseError, type Clock, Intake, pause, type Sink, type Source, type Subscription } from '@acuse/core'
import type { Cluster, Connections } from './connection.ts'
import { Coordinator } from './coordinator.ts'
import { asAcuseError } from './errors.ts'
import { Fetcher } from './fetcher.ts'
import { Holdings } from './holdings.ts'
import type { Membership, MembershipOptions } from './membership.ts'
import { Offsets, partitionName } from './offsets.ts'
import type { KafkaMessage, PartitionReader } from './partition-reader.ts'
import { Reporter } from './reporter.ts'
import { Saver } from './saver.ts'
import type { Topic, Topics } from './topics.ts'
import type { RecordReading } from './wire.ts'

/** How long a new group may take until each of its partitions has a place. */
const startWithinMs = 30_000
const askEveryMs = 50
/** How long letting go may take beyond the deadline of `stop`. */
const letGoWithinMs = 2_000

export interface SubscriptionOptions {
  readonly cluster: Cluster
  readonly topics: Topics
  readonly streams: readonly Topic[]
  readonly source: Source
  readonly read: RecordReading
  readonly sink: Sink
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly createMembership: (options: MembershipOptions) => Membership
  readonly sessionTimeoutMs: number
  readonly heartbeatMs: number
  readonly rebalanceTimeoutMs: number
}

/** A member of a group, and what it reads. The coordinator decides which partitions those are. */
export class KafkaSubscription implements Subscription {
  readonly #options: SubscriptionOptions
  readonly #connections: readonly Connections[]
  readonly #offsets: Offsets
  readonly #membership: Membership
  readonly #intake: Intake<KafkaMessage>
  readonly #fetcher: Fetcher
  readonly #saver: Saver
  readonly #holdings: Holdings
  readonly #reporter: Reporter
  #stopping: Promise<void> | undefined
  #asked = false

  constructor(options: SubscriptionOptions) {
    const { cluster, topics, streams, source, read, sink, clock, onError, sessionTimeoutMs } = options
    const { group, prefetch } = source
    // A heartbeat that is not answered must leave time for another one within the session.
    const coordinating = cluster.connect(Math.ceil(sessionTimeoutMs / 3))
    const fetching = cluster.connect()
    const coordinator = new Coordinator(cluster, coordinating, group)
    const reporter = new Reporter(onError)
    const offsets = new Offsets(cluster, coordinator)
    const intake = new Intake<KafkaMessage>({ group, sink, prefetch, clock, onError })
    const feed = (): void => this.#feedSoon()
    const fetcher = new Fetcher({
      ...{ group, connections: fetching, topics, clock, onError, reporter, onFetched: feed },
    })
    const saver = new Saver({
      ...{ group, prefetch, clock, reporter, offsets, onSaved: feed },
      identity: () => this.#membership.identity,
      readers: () => this.#holdings.readers(),
    })
    this.#options = options
    this.#connections = [coordinating, fetching]
    this.#reporter = reporter
    this.#offsets = offsets
    this.#intake = intake
    this.#fetcher = fetcher
    this.#saver = saver
    this.#holdings = new Holdings({
      ...{ source, read, topics, offsets, intake, fetcher, saver, clock, reporter },
      onAck: ({ hasFetched }) => {
        saver.acked()
        if (hasFetched) feed()
      },
    })
    this.#membership = options.createMembership({
      ...options,
      ...{ coordinator, topics: streams, ownership: this.#holdings },
    })
  }

  /** Resolves when the group has a place in each partition: whose they are is another matter. */
  async start(): Promise<void> {
    try {
      await this.#untilDone(() => this.#membership.join())
      await this.#untilDone(() => this.#assertPlaced())
    } catch (error) {
      await this.stop(0)
      throw error
    }
  }

  pause(): void {
    this.#intake.pause()
  }

  resume(): void {
    this.#intake.resume()
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  get #what(): string {
    return `group ${this.#options.source.group}`
  }

  /** Tries until it is done, or too late, or what it fails with does not go away by itself. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { clock } = this.#options
    const deadlineMs = clock.now() + startWithinMs
    for (;;) {
      try {
        return await work()
      } catch (thrown) {
        const error = asAcuseError(thrown, this.#what)
        if (!error.retryable || clock.now() >= deadlineMs || this.#stopping !== undefined) throw error
      }
      await pause(clock, askEveryMs)
    }
  }

  async #assertPlaced(): Promise<void> {
    const all = this.#options.streams.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, index) => ({
        name: partitionName(topic.name, index),
        topic,
        index,
      })),
    )
    const places = await this.#offsets.fetch(all)
    const missing = all.find(({ name }) => !places.has(name))
    if (missing === undefined) return
    throw new AcuseError(
      'ACUSE_TRANSPORT_UNAVAILABLE',
      `${this.#what}: it has no place in ${missing.name} yet, as nobody owns it; it is tried again.`,
    )
  }

  #feedSoon(): void {
    if (this.#asked) return
    this.#asked = true
    setImmediate(() => {
      this.#asked = false
      if (this.#stopping === undefined) this.#feed()
    })
  }

  /** Gives the intake enough to fill `prefetch`, of each partition in turn. */
  #feed(): void {
    const readers = [...this.#holdings.readers()]
    const waiting = readers.reduce((sum, { partition }) => sum + this.#intake.waiting(partition.name), 0)
    const full = readers.filter(({ hasFetched }) => hasFetched)
    const room = this.#options.source.prefetch - waiting
    if (room <= 0 || full.length === 0) return
    const share = Math.ceil(room / full.length)
    for (const reader of full) this.#give(reader, share)
    if (full.some(({ isHungry }) => isHungry)) this.#fetcher.wake()
  }

  #give(reader: PartitionReader, most: number): void {
    const given = reader.give(most)
    if (given.length > 0) this.#intake.add(reader.partition.name, given)
    this.#saver.given(reader)
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#options
    this.#membership.hold()
    this.#fetcher.stop()
    await this.#intake.stop(deadlineMs)
    this.#intake.close()
    await Promise.race([this.#letGo(), pause(clock, letGoWithinMs)])
    this.#holdings.abandon()
    void this.#saver.stop()
    await Promise.all(this.#connections.map((connections) => connections.close()))
  }

  async #letGo(): Promise<void> {
    const what = `${this.#what}: letting go`
    await this.#holdings.close().catch((error: unknown) => this.#reporter.failed(what, error))
    await this.#membership.leave().catch((error: unknown) => this.#reporter.failed(what, error))
  }
}
