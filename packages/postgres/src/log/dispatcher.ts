import type { Clock, Delivery, Source, Sink, WireMessage } from '@acuse/core'
import type { Lease } from './lease.ts'
import { partOf, priorityOf } from './parts.ts'
import type { StreamRegistry } from './streams.ts'
import type { Entry } from './window.ts'

/** What was given back is offered again after this; until then nothing behind it is. */
const restMs = 100
/** Parts of a lane take turns after this many deliveries. */
const turn = 16

export interface DispatcherOptions {
  readonly clock: Clock
  readonly registry: StreamRegistry
  readonly source: Source
  readonly sink: Sink
  readonly leases: () => Iterable<Lease>
  /** Whether the leases are certainly still held. */
  readonly valid: () => boolean
  readonly onAcked: () => void
  /** Deliveries went out or came back: there may be room to read on, or something to save. */
  readonly onMoved: () => void
}

/** Hands what is read to the sink, higher lanes first, never more than the prefetch at once, and takes the answers. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  /** Room for this many is worth a look at what is there: a look after each ack cost 10 us a message. */
  readonly #worthwhile: number
  #unsettled = 0
  #unsettledBytes = 0
  #paused = false
  #asked = false
  #turns = 0
  #onSettled: (() => void) | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#worthwhile = Math.max(1, Math.min(32, Math.floor(options.source.prefetch / 8)))
  }

  /** Bytes of bodies that are delivered and neither acked nor released. */
  get unsettledBytes(): number {
    return this.#unsettledBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.ask()
  }

  /** Delivers what there is room for, once the caller is done. */
  ask(): void {
    if (this.#asked) return
    this.#asked = true
    queueMicrotask(() => {
      this.#asked = false
      this.#dispatch()
    })
  }

  /** Resolves when nothing is delivered that is not settled. Pause first. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = () => {
        if (this.#unsettled === 0) resolve()
      }
      this.#onSettled()
    })
  }

  #dispatch(): void {
    const { source, sink, leases, valid, onMoved } = this.#options
    if (!this.#paused && valid()) {
      const deliveries: Delivery[] = []
      for (const lease of inTurn([...leases()], this.#turns++)) {
        for (let taken = 0; taken < turn && this.#unsettled < source.prefetch; taken++) {
          const entry = lease.window.take()
          if (entry === undefined) break
          deliveries.push(this.#delivery(lease, entry))
        }
      }
      if (deliveries.length > 0) {
        sink.deliver(deliveries)
        this.ask()
      }
    }
    onMoved()
  }

  #delivery(lease: Lease, entry: Entry): Delivery {
    const { message } = entry
    if (message === null) throw new Error('a message was delivered after its ack')
    this.#unsettled++
    this.#unsettledBytes += entry.bytes
    lease.unsettled++
    const stream = this.#options.registry.byId(partOf(lease.part).streamId)
    const wire: WireMessage = {
      id: message.id,
      type: message.type,
      stream: stream?.name ?? '',
      key: message.key,
      priority: priorityOf(lease.part),
      headers: message.headers,
      body: message.body,
      // A relay passes the partition count on to where the stream may not be registered yet.
      ...(stream === undefined ? {} : { partitions: stream.partitions }),
    }
    return new LogDelivery(wire, lease, entry, this)
  }

  /** Takes the answer to a delivery. What is settled after the part is gone changes nothing: its next owner delivers it again. */
  settle(lease: Lease, entry: Entry, acked: boolean): void {
    this.#unsettled--
    this.#unsettledBytes -= entry.bytes
    lease.unsettled--
    if (lease.state !== 'gone') {
      if (acked) {
        lease.window.ack(entry)
        this.#options.onAcked()
      } else {
        lease.window.release(entry)
        lease.restsUntilMs = performance.now() + restMs
        this.#options.clock.after(restMs + 1, () => this.ask())
      }
    }
    this.#onSettled?.()
    const room = this.#options.source.prefetch - this.#unsettled
    if (!acked || room >= this.#worthwhile || this.#unsettled === 0) this.ask()
  }
}

class LogDelivery implements Delivery {
  readonly message: WireMessage
  readonly partition: string
  readonly redelivered: boolean
  readonly #lease: Lease
  readonly #entry: Entry
  readonly #dispatcher: Dispatcher
  #settled = false

  constructor(message: WireMessage, lease: Lease, entry: Entry, dispatcher: Dispatcher) {
    this.message = message
    this.partition = String(lease.part)
    this.redelivered = entry.redelivered
    this.#lease = lease
    this.#entry = entry
    this.#dispatcher = dispatcher
  }

  ack(): void {
    this.#settle(true)
  }

  release(): void {
    this.#settle(false)
  }

  #settle(acked: boolean): void {
    if (this.#settled) return
    this.#settled = true
    this.#dispatcher.settle(this.#lease, this.#entry, acked)
  }
}

/** Those that have something to deliver, higher lanes first; within a lane another one begins each time. */
function inTurn(leases: readonly Lease[], turns: number): Lease[] {
  const now = performance.now()
  const ready = leases.filter(
    ({ state, window, restsUntilMs }) => state === 'held' && window.waiting > 0 && restsUntilMs <= now,
  )
  return [2, 1, 0].flatMap((lane) => {
    const ofLane = ready.filter((lease) => lease.lane === lane)
    const first = ofLane.length === 0 ? 0 : turns % ofLane.length
    return [...ofLane.slice(first), ...ofLane.slice(0, first)]
  })
}
