import { randomUUID } from 'node:crypto'
import type { WireMessage } from '@acuse/core'

/** What a queue takes: the messages of these streams, of these types. */
export interface Binding {
  readonly streams: readonly string[] | 'all'
  readonly types: readonly string[] | 'all'
}

export interface HubDelivery {
  readonly message: WireMessage
  /** A connection broke while it had this message. */
  readonly redelivered: boolean
}

/** Takes messages from a queue, at most `prefetch` at once that are neither acked nor requeued. */
export interface HubConsumer {
  ack(delivery: HubDelivery): void
  /** Puts it back where it was, as if it had never left. */
  requeue(delivery: HubDelivery): void
  /** Leaves the queue. What is still out goes to the next consumer, as redelivered. */
  cancel(): void
}

/** The hub will never take this message. */
export class TooLargeForHub extends Error {
  constructor(bytes: number) {
    super(`The message has ${bytes} bytes; the hub takes at most ${longestBodyBytes}.`)
    this.name = 'TooLargeForHub'
  }
}

const longestBodyBytes = 2_000_000

interface Entry {
  readonly message: WireMessage
  redelivered: boolean
  out: boolean
}

interface Queue {
  readonly binding: Binding
  readonly entries: Entry[]
  /** The first one is active; the others stand by. */
  readonly consumers: ActiveConsumer[]
}

/**
 * A broker in this process, for examples and tests: a queue for each group with a single active consumer, as RabbitMQ has it.
 * It keeps no history, knows no priorities, and forgets everything when the process ends.
 */
export class Hub {
  readonly id: string = randomUUID()
  readonly #queues = new Map<string, Queue>()
  readonly #connections = new Set<HubConnection>()

  connect(onClosed: () => void): HubConnection {
    const connection = new HubConnection(this.#queues, () => {
      if (this.#connections.delete(connection)) onClosed()
    })
    this.#connections.add(connection)
    return connection
  }

  /** Breaks every connection. What is in the queues stays. */
  restart(): void {
    for (const connection of [...this.#connections]) connection.break()
  }
}

export class HubConnection {
  readonly #queues: Map<string, Queue>
  readonly #onClosed: () => void
  readonly #consumers = new Set<ActiveConsumer>()
  #open = true

  constructor(queues: Map<string, Queue>, onClosed: () => void) {
    this.#queues = queues
    this.#onClosed = onClosed
  }

  /** Makes a queue, or gives an existing one another binding. */
  declare(name: string, binding: Binding): void {
    this.#assertOpen()
    const { entries = [], consumers = [] } = this.#queues.get(name) ?? {}
    this.#queues.set(name, { binding, entries, consumers })
  }

  /** Puts a message into every queue that wants it, then confirms. Rejects when it is too large, or the connection breaks meanwhile. */
  async publish(message: WireMessage): Promise<void> {
    this.#assertOpen()
    if (message.body.byteLength > longestBodyBytes) throw new TooLargeForHub(message.body.byteLength)
    for (const queue of this.#queues.values()) {
      if (!wants(queue.binding, message)) continue
      queue.entries.push({ message, redelivered: false, out: false })
      pump(queue)
    }
    await new Promise((resolve) => setImmediate(resolve))
    this.#assertOpen()
  }

  consume(name: string, prefetch: number, onDelivery: (delivery: HubDelivery) => void): HubConsumer {
    this.#assertOpen()
    const queue = this.#queues.get(name)
    if (queue === undefined) throw new Error(`There is no queue ${name}.`)
    const consumer = new ActiveConsumer(queue, prefetch, onDelivery)
    this.#consumers.add(consumer)
    return consumer
  }

  /** Ends the connection without a word to its owner, as a crash of its process does. */
  close(): void {
    this.#open = false
    for (const consumer of this.#consumers) consumer.cancel()
  }

  /** Ends the connection and tells its owner. */
  break(): void {
    this.close()
    this.#onClosed()
  }

  #assertOpen(): void {
    if (!this.#open) throw new Error('The connection to the hub is closed.')
  }
}

class ActiveConsumer implements HubConsumer {
  readonly #queue: Queue
  readonly #prefetch: number
  readonly #onDelivery: (delivery: HubDelivery) => void
  readonly #out = new Map<HubDelivery, Entry>()

  constructor(queue: Queue, prefetch: number, onDelivery: (delivery: HubDelivery) => void) {
    this.#queue = queue
    this.#prefetch = prefetch
    this.#onDelivery = onDelivery
    queue.consumers.push(this)
    pump(queue)
  }

  get hasRoom(): boolean {
    return this.#out.size < this.#prefetch
  }

  take(entry: Entry): void {
    const delivery = { message: entry.message, redelivered: entry.redelivered }
    entry.out = true
    this.#out.set(delivery, entry)
    this.#onDelivery(delivery)
  }

  ack(delivery: HubDelivery): void {
    const entry = this.#settle(delivery)
    if (entry !== undefined) this.#queue.entries.splice(this.#queue.entries.indexOf(entry), 1)
  }

  requeue(delivery: HubDelivery): void {
    const entry = this.#settle(delivery)
    if (entry !== undefined) entry.out = false
  }

  cancel(): void {
    const { consumers } = this.#queue
    if (!consumers.includes(this)) return
    consumers.splice(consumers.indexOf(this), 1)
    for (const entry of this.#out.values()) Object.assign(entry, { out: false, redelivered: true })
    this.#out.clear()
    pump(this.#queue)
  }

  /** Once only, and only while the consumer is there: a tag of another connection means nothing. */
  #settle(delivery: HubDelivery): Entry | undefined {
    const entry = this.#out.get(delivery)
    this.#out.delete(delivery)
    pump(this.#queue)
    return entry
  }
}

/** Sends what there is room for, once the caller is done. */
function pump({ entries, consumers }: Queue): void {
  setImmediate(() => {
    const [active] = consumers
    for (const entry of [...entries]) {
      if (active === undefined || !active.hasRoom) return
      if (!entry.out && consumers[0] === active) active.take(entry)
    }
  })
}

function wants({ streams, types }: Binding, { stream, type }: WireMessage): boolean {
  return (streams === 'all' || streams.includes(stream)) && (types === 'all' || types.includes(type))
}
