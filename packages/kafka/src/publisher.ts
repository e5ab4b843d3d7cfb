import {
  type Clock,
  ConfigurationError,
  type ErrorCode,
  pause,
  type PublishResult,
  type WireMessage,
} from '@acuse/core'
import { isRefusal, toldOf } from './errors.ts'
import type { Producer } from './producer.ts'
import {
  batchOf,
  failed,
  fits,
  type Lane,
  next,
  overLimit,
  type Pending,
  type Placed,
  take,
  unsent,
} from './publish-lane.ts'
import type { Topic, Topics } from './topics.ts'
import { partitionOf, recordOf } from './wire.ts'

/** Over its partitions; brokers take 100 MB. */
const mostRequestBytes = 8_000_000
/** 50 ms, 100 ms, … 800 ms: 1.5 s in all, in which a partition finds a new leader. What fails longer the caller sends again. */
const mostAttempts = 6
const firstPauseMs = 50

/** The producer is not known any more, or was taken for another: what it says does not count. */
const producerLost: ReadonlySet<string> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
])
const tooLarge: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

export interface PublisherOptions {
  readonly producer: Producer
  readonly topics: Topics
  readonly clock: Clock
  /** Where a message goes, and as what. */
  readonly place: (message: WireMessage) => Placed | Promise<Placed>
}

/** A message of ours goes to its stream's topic, into the partition of its key. */
export function placeOf(message: WireMessage, topics: Topics): Placed | Promise<Placed> {
  const { stream: name, partitions, type, id } = message
  if (partitions === undefined) {
    throw new ConfigurationError(`message ${type} ${id} does not say how many partitions stream ${name} has.`)
  }
  const placedIn = (topic: Topic): Placed => ({
    topic,
    partition: partitionOf(message, partitions),
    record: recordOf(message),
  })
  const stream = { name, partitions }
  const topic = topics.ready(stream)
  return topic === undefined ? topics.get(stream).then(placedIn) : placedIn(topic)
}

/** Gathers what is sent at the same time into one request for each broker. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #closing = new AbortController()
  #asked = false

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** With what is known at once, which is nearly always, a message costs one promise. */
  send(message: WireMessage, signal: AbortSignal): Promise<PublishResult> {
    try {
      const placed = this.#options.place(message)
      if (placed instanceof Promise || !fits(placed)) return this.#sendPlaced(message, placed, signal)
      return this.#enqueue(message, placed, signal)
    } catch (error) {
      return Promise.resolve(unsent(message, error))
    }
  }

  async #sendPlaced(
    message: WireMessage,
    placing: Placed | Promise<Placed>,
    signal: AbortSignal,
  ): Promise<PublishResult> {
    try {
      const placed = await placing
      // Somebody may have raised its limit since.
      if (!fits(placed)) await this.#options.topics.rereadLimit(placed.topic)
      return fits(placed)
        ? await this.#enqueue(message, placed, signal)
        : overLimit(message, placed.record, placed.topic)
    } catch (error) {
      return unsent(message, error)
    }
  }

  #enqueue(message: WireMessage, { topic, partition, record }: Placed, signal: AbortSignal): Promise<PublishResult> {
    return new Promise((settle) => {
      this.#laneOf(topic, partition).queue.push({ message, record, signal, settle })
      this.#ask()
    })
  }

  /** What is not confirmed by now counts as failed. */
  close(): void {
    this.#closing.abort()
    for (const lane of this.#lanes.values()) this.#fail(lane, 'the transport was closed', 'ACUSE_TRANSPORT_UNAVAILABLE')
  }

  #laneOf(topic: Topic, partition: number): Lane {
    const name = `${topic.name}/${partition}`
    const known = this.#lanes.get(name)
    if (known?.topic === topic) return known
    if (known !== undefined) this.#fail(known, 'its topic was deleted', 'ACUSE_DESTINATION_UNAVAILABLE')
    const lane: Lane = { topic, partition, queue: [], sending: [], busy: false, attempts: 0 }
    this.#lanes.set(name, lane)
    return lane
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    setImmediate(() => {
      this.#asked = false
      if (!this.#closing.signal.aborted) this.#flush()
    })
  }

  #flush(): void {
    const byLeader = new Map<number, { lanes: Lane[]; bytes: number }>()
    for (const lane of this.#lanes.values()) {
      if (lane.busy) continue
      if (lane.sending.length === 0) lane.sending = take(lane)
      if (lane.sending.length === 0) continue
      const leader = lane.topic.leaders[lane.partition] ?? -1
      const request = byLeader.get(leader) ?? { lanes: [], bytes: 0 }
      // The rest goes with the next, when this one is answered.
      if (request.bytes >= mostRequestBytes) continue
      byLeader.set(leader, request)
      request.lanes.push(lane)
      request.bytes += lane.sending.reduce((sum, { record }) => sum + record.mostBytes, 0)
      lane.busy = true
    }
    for (const [leader, { lanes }] of byLeader) void this.#send(leader, lanes)
  }

  async #send(leader: number, lanes: readonly Lane[]): Promise<void> {
    try {
      if (leader < 0) throw new NoLeader('its partition has no leader at the moment')
      const answers = await this.#options.producer.send(leader, lanes.map(batchOf))
      for (const [index, lane] of lanes.entries()) this.#settle(lane, answers[index])
    } catch (error) {
      for (const lane of lanes) {
        const isOfPartition = error instanceof NoLeader && hasLeaders(lane.topic)
        const code = isOfPartition ? 'ACUSE_DESTINATION_UNAVAILABLE' : 'ACUSE_TRANSPORT_UNAVAILABLE'
        void this.#again(lane, toldOf(error), code)
      }
    }
    this.#ask()
  }

  #settle(lane: Lane, answer: string | undefined): void {
    if (answer === undefined) {
      for (const { settle } of lane.sending) settle({ state: 'delivered' })
      return next(lane)
    }
    if (tooLarge.has(answer)) return this.#split(lane)
    if (isRefusal(answer)) {
      return this.#fail(
        lane,
        `${answer}; grant Write on topic ${lane.topic.name} to the client's user`,
        'ACUSE_DESTINATION_UNAVAILABLE',
      )
    }
    if (producerLost.has(answer)) this.#options.producer.renew()
    if (answer === 'UNKNOWN_TOPIC_OR_PARTITION' && lane.attempts >= mostAttempts - 1) {
      this.#options.topics.forget(lane.topic)
    }
    void this.#again(lane, answer, 'ACUSE_DESTINATION_UNAVAILABLE')
  }

  /** The topic takes less than it did: one message alone is too large, of several each has to be tried. */
  #split(lane: Lane): void {
    const [first, ...rest] = lane.sending
    if (first === undefined) return
    if (rest.length === 0) void this.#refuse(first, lane.topic)
    const half = rest.length === 0 ? 0 : Math.ceil(lane.sending.length / 2)
    lane.queue.unshift(...lane.sending.slice(Math.max(1, half)))
    lane.sending = lane.sending.slice(0, half)
    lane.busy = false
    lane.attempts = 0
  }

  async #refuse({ message, record, settle }: Pending, topic: Topic): Promise<void> {
    await this.#options.topics.rereadLimit(topic).catch(() => undefined)
    settle(overLimit(message, record, topic))
  }

  async #again(lane: Lane, reason: string, code: ErrorCode): Promise<void> {
    const { clock, topics } = this.#options
    lane.attempts++
    const isOver = lane.sending.every(({ signal }) => signal.aborted)
    if (lane.attempts >= mostAttempts || isOver) return this.#fail(lane, reason, code)
    await pause(clock, firstPauseMs * 2 ** (lane.attempts - 1), this.#closing.signal)
    await topics.refresh(lane.topic).catch(() => undefined)
    lane.busy = false
    this.#ask()
  }

  /** Nobody knows whether it is stored. A new producer does not mistake what comes next for it. */
  #fail(lane: Lane, reason: string, code: ErrorCode): void {
    if (lane.sending.length > 0) this.#options.producer.renew()
    const left = this.#closing.signal.aborted ? [...lane.sending, ...lane.queue.splice(0)] : lane.sending
    for (const { message, settle } of left) {
      settle(failed(code, message, `Kafka has not confirmed it (${reason}); it is sent again`))
    }
    next(lane)
    this.#ask()
  }
}

class NoLeader extends Error {
  override readonly name = 'NoLeader'
}

/** A broker that starts says of all partitions that nobody leads them: then it is away, and not one of its destinations. */
function hasLeaders({ leaders }: Topic): boolean {
  return leaders.some((leader) => leader >= 0)
}
