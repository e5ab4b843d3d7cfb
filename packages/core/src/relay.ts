import type { Clock } from './clock.ts'
import { point, tell } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { deathOf } from './failure.ts'
import { type LaneItem, type LaneKind, Lanes, type Undone } from './lanes.ts'
import type { WireMessage } from './message.ts'
import { relayGroup, RelayParking } from './relay-parking.ts'
import { lineOf, RelayStalls, type StalledKey } from './relay-stalls.ts'
import type { ParkReason, Store } from './store.ts'
import type { Delivery, PublishResult, Sink, Subscription, Transport } from './transport.ts'
import { brief } from './work.ts'

const publishTimeoutMs = 30_000
const defaultPollMs = 1_000

interface RelayItem extends LaneItem {
  readonly delivery: Delivery
  /** It is acked. */
  done: boolean
}

const batches: LaneKind = { most: 125, waitMs: 0, spread: true }
/**
 * Batches in flight at once. Nothing of a key is sent while an earlier message of it is unconfirmed. One of 500 waited for its last
 * confirmation: over RabbitMQ at 1,000/s it was 26 ms from commit to effect (p50) and 18 so, and 0.72 of amqplib's rate and 0.82 so.
 */
const concurrency = 8
/** The most that is taken from the log and not sent yet. */
const prefetch = 2 * concurrency * batches.most
/** From here on what stalls takes the place of what could be sent. */
const crowded = prefetch / 2

export interface RelayOptions<Tx> {
  readonly service: string
  readonly store: Store<Tx>
  readonly transport: Transport
  readonly clock: Clock
  /** How long at most until what others replayed is found, ms. Default 1,000. */
  readonly pollMs?: number
  readonly onError: (error: AcuseError) => void
}

/** What a relay has to do that it could not do yet. */
export interface RelayState {
  /** Messages taken from the log that the transport has not confirmed. */
  readonly unconfirmed: number
  /** Keys that wait until the transport takes an earlier message of theirs, the first stalled first; at most 1,000 are told. */
  readonly stalled: readonly StalledKey[]
  /** Messages that were set aside in the store, by reason: of keys that stall for long, and replayed dead letters. They are sent from there. */
  readonly parked: Readonly<Partial<Record<ParkReason, number>>>
}

/**
 * Sends a service's log to the transport. A message is done with once the transport has confirmed it; until then later ones of its key
 * wait. What the transport will never take becomes a dead letter of the relay, and its key goes on.
 */
export class Relay<Tx> implements Sink {
  readonly #options: RelayOptions<Tx>
  readonly #lanes: Lanes<RelayItem>
  readonly #stalls: RelayStalls
  readonly #parking: RelayParking<Tx>
  readonly #stopping = new AbortController()
  readonly #partitions = new Set<string>()
  #subscription: Subscription | undefined
  #unconfirmed = 0

  constructor(options: RelayOptions<Tx>) {
    const { service, store, clock, pollMs = defaultPollMs, onError } = options
    this.#options = options
    this.#lanes = new Lanes({ clock, concurrency, run: (batch) => this.#send(batch) })
    this.#stalls = new RelayStalls(clock)
    const publish = (messages: readonly WireMessage[]): Promise<readonly PublishResult[]> => this.#publish(messages)
    this.#parking = new RelayParking({ service, store, clock, pollMs, stalls: this.#stalls, publish, onError })
  }

  async start(): Promise<void> {
    this.#subscription = await this.#options.store.log.consume(
      { group: relayGroup, streams: 'all', types: 'all', from: 'earliest', prefetch },
      this,
    )
    this.#parking.start()
  }

  /** Finishes the batches in flight and lets go; the rest is sent by whoever relays next. */
  async stop(deadlineMs: number): Promise<void> {
    const cancel = this.#options.clock.after(deadlineMs, () => this.#stopping.abort())
    this.#subscription?.pause()
    this.#lanes.pause()
    this.#release(() => true)
    await Promise.all([this.#lanes.idle(), this.#parking.stop()])
    this.#release(() => true)
    await this.#subscription?.stop(deadlineMs)
    cancel()
  }

  /** Looks for replayed dead letters now. */
  wake(): void {
    this.#parking.wake()
  }

  async state(): Promise<RelayState> {
    return { unconfirmed: this.#unconfirmed, stalled: this.#stalls.list, parked: await this.#parking.counts() }
  }

  deliver(deliveries: readonly Delivery[]): void {
    this.#unconfirmed += deliveries.length
    for (const { partition } of deliveries) {
      if (this.#partitions.has(partition)) continue
      this.#partitions.add(partition)
      this.#parking.lookAgain()
    }
    this.#lanes.add(
      deliveries.map((delivery) => {
        const { key, priority } = delivery.message
        return { delivery, key: key === null ? null : lineOf(delivery.message), priority, kind: batches, done: false }
      }),
    )
  }

  async revoke(partition: string): Promise<void> {
    const ofPartition = ({ delivery }: RelayItem): boolean => delivery.partition === partition
    this.#release(ofPartition)
    await this.#lanes.idle(ofPartition)
    this.#release(ofPartition)
    this.#partitions.delete(partition)
  }

  #release(matches: (item: RelayItem) => boolean): void {
    for (const { delivery } of this.#lanes.evict(matches)) {
      this.#unconfirmed--
      this.#stalls.clear(delivery.message)
      delivery.release()
    }
  }

  async #send(batch: readonly RelayItem[]): Promise<Undone<RelayItem> | undefined> {
    try {
      const handled = await this.#parking.sift(batch.map(({ delivery }) => delivery))
      for (const item of batch) if (handled.has(item.delivery.message)) this.#ack(item)
      const sent = batch.filter(isLeft)
      const results = await this.#publish(sent.map(({ delivery }) => delivery.message))
      this.#stalls.noteBatch(results)
      const stalled = await this.#settle(sent, results)
      if (stalled.size > 0 && this.#unconfirmed >= crowded) await this.#setAside(sent.filter(isLeft), stalled)
    } catch (cause) {
      const { name } = this.#options.store
      const text = `relay: store ${name} does not answer; it is tried again.`
      this.#options.onError(new AcuseError('ACUSE_STORE_UNAVAILABLE', text, { cause }))
    }
    const items = batch.filter(isLeft)
    if (items.length === 0) return undefined
    return { items, delayMs: this.#stalls.pauseMs(items.map(({ delivery }) => delivery.message)) }
  }

  /** Gives a result for each, also where the transport gives none. */
  async #publish(messages: readonly WireMessage[]): Promise<readonly PublishResult[]> {
    if (messages.length === 0) return []
    const { transport, clock } = this.#options
    const timeout = new AbortController()
    const cancel = clock.after(publishTimeoutMs, () => timeout.abort())
    try {
      point('relay.beforePublish')
      const results = await transport.publish(messages, AbortSignal.any([timeout.signal, this.#stopping.signal]))
      point('relay.afterPublish')
      return messages.map(({ id }, index) => results[index] ?? { state: 'failed', error: unanswered(id) })
    } catch (cause) {
      const text = `relay: ${transport.name} failed; it is tried again.`
      const error = new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause })
      return messages.map(() => ({ state: 'failed', error }))
    } finally {
      cancel()
    }
  }

  /** Acks what is done with. Gives why each key that is not done with stalls. */
  async #settle(
    batch: readonly RelayItem[],
    results: readonly PublishResult[],
  ): Promise<ReadonlyMap<string, AcuseError>> {
    const { service, onError } = this.#options
    const stalled = new Map<string, AcuseError>()
    for (const [index, item] of batch.entries()) {
      const { message } = item.delivery
      const { id, type, stream, key } = message
      const result = results[index]
      const error = result?.state === 'failed' ? result.error : null
      tell('relayed', { service, id, type, stream, key, delivered: error === null, error })
      if (stalled.size > 0 && stalled.has(lineOf(message))) continue
      if (error === null || (await this.#bury(message, error))) {
        this.#stalls.clear(message)
        this.#ack(item)
        continue
      }
      stalled.set(lineOf(message), error)
      if (this.#stalls.note(message, error)) onError(error)
    }
    return stalled
  }

  /**
   * Parks what its own destination does not take, so that it does not fill the place of others: 1,000 messages for one full queue would
   * otherwise stop the whole log. While the broker as a whole is away nothing is parked: everybody waits, and the log is the better place.
   */
  async #setAside(left: readonly RelayItem[], stalled: ReadonlyMap<string, AcuseError>): Promise<void> {
    const whyOf = ({ delivery }: RelayItem): AcuseError | undefined => stalled.get(lineOf(delivery.message))
    const refused = left.filter((item) => whyOf(item)?.code === 'ACUSE_DESTINATION_UNAVAILABLE')
    await this.#parking.park(
      refused.map(({ delivery }) => delivery.message),
      (message) => stalled.get(lineOf(message)),
    )
    for (const item of refused) this.#ack(item)
  }

  #ack(item: RelayItem): void {
    item.done = true
    this.#unconfirmed--
    point('relay.beforeAck')
    item.delivery.ack()
    point('relay.afterAck')
  }

  /** Gives whether the message is done with: nobody can ever send it, and the dead letter is written. */
  async #bury(message: WireMessage, error: AcuseError): Promise<boolean> {
    if (error.retryable) return false
    const { store, service } = this.#options
    const death = deathOf(message, 'relay', error, 1)
    point('relay.beforeBury')
    await store.transaction((tx) => store.deadLetters.bury(tx, relayGroup, message, death, { block: false }), brief)
    point('relay.afterBury')
    const { id, type, stream, key } = message
    tell('dead', { service, group: relayGroup, id, type, stream, key, reason: 'relay', attempts: 1, error })
    return true
  }
}

function isLeft({ done }: RelayItem): boolean {
  return !done
}

function unanswered(id: string): AcuseError {
  return new AcuseError('ACUSE_PUBLISH_TIMEOUT', `message ${id}: the transport gave no answer.`)
}
