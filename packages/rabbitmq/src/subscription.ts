import {
  type AcuseError,
  type Clock,
  Intake,
  partitionHash,
  priorities,
  type Sink,
  type Source,
  type SourceStream,
  type Subscription,
} from '@acuse/core'
import type { Connection } from './connection.ts'
import { type QueueMessage, QueueReader } from './queue-reader.ts'
import { type GroupShape, queuesOf } from './topology.ts'

export interface SubscriptionOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly instance: string
  readonly source: Source
  readonly streams: readonly SourceStream[]
  readonly sink: Sink
  readonly partitioned: boolean
  readonly prioritized: boolean
  readonly deliveryLimit: number
  readonly newQueueMs: number
}

/** A group's consumers in this process: one for each of the group's queues. The broker decides whose turn it is. */
export class RabbitSubscription implements Subscription {
  readonly #intake: Intake<QueueMessage>
  readonly #readers: readonly QueueReader[]
  #stopping: Promise<void> | undefined

  constructor(options: SubscriptionOptions) {
    const { source, streams, sink, clock, onError, instance, partitioned, deliveryLimit, newQueueMs } = options
    const { group, types, prefetch } = source
    const queues = queuesOf(group, streams, options)
    const shape: GroupShape = { group, streams, types, deliveryLimit, newQueueMs }
    this.#intake = new Intake({ group, sink, prefetch, clock, onError })
    this.#readers = queues.map(
      (queue) =>
        new QueueReader({
          ...options,
          queue,
          shape,
          lane: priorities.indexOf(queue.priority),
          priority: partitioned ? rank(instance, queue.name) : 0,
          intake: this.#intake,
        }),
    )
  }

  async start(): Promise<void> {
    try {
      await Promise.all(this.#readers.map((reader) => reader.start()))
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

  async #stop(deadlineMs: number): Promise<void> {
    await this.#intake.stop(deadlineMs)
    this.#intake.close()
    await Promise.all(this.#readers.map((reader) => reader.stop()))
  }
}

const ranks = 1_000

/** Each queue ranks the consumers in an order of its own, so that a group's queues spread over its processes. Source: rendezvous hashing. */
function rank(instance: string, queue: string): number {
  return partitionHash({ key: `${instance} ${queue}`, id: '' }) % ranks
}
