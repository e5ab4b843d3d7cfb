import type { Clock } from './clock.ts'
import { point, tell } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { deathOf } from './failure.ts'
import { type LaneItem, type LaneKind, Lanes, type Undone } from './lanes.ts'
import type { Store } from './store.ts'
import type { Delivery, PublishResult, Sink, Subscription, Transport } from './transport.ts'
import { brief } from './work.ts'

/** The group name under which a relay reads its service's log. */
export const relayGroup = '$relay'

const firstPauseMs = 50
const longestPauseMs = 5_000
const publishTimeoutMs = 30_000

interface RelayItem extends LaneItem {
  readonly delivery: Delivery
}

/** One batch in flight: nothing of a key is sent while an earlier message of it is unconfirmed. */
const batches: LaneKind = { most: 500, waitMs: 0 }

export interface RelayOptions<Tx> {
  readonly service: string
  readonly store: Store<Tx>
  readonly transport: Transport
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/**
 * Sends a service's log to the transport. A message is done with once the transport has confirmed it; until then later ones of its key
 * wait. What the transport will never take becomes a dead letter of the relay, and its key goes on.
 */
export class Relay<Tx> implements Sink {
  readonly #options: RelayOptions<Tx>
  readonly #lanes: Lanes<RelayItem>
  readonly #stopping = new AbortController()
  #subscription: Subscription | undefined
  #failures = 0

  constructor(options: RelayOptions<Tx>) {
    this.#options = options
    this.#lanes = new Lanes({ clock: options.clock, concurrency: 1, run: (batch) => this.#send(batch) })
  }

  async start(): Promise<void> {
    this.#subscription = await this.#options.store.log.consume(
      { group: relayGroup, streams: 'all', types: 'all', from: 'earliest', prefetch: 4 * batches.most },
      this,
    )
  }

  /** Finishes the batch in flight and lets go; the rest is sent by whoever relays next. */
  async stop(deadlineMs: number): Promise<void> {
    const cancel = this.#options.clock.after(deadlineMs, () => this.#stopping.abort())
    this.#subscription?.pause()
    this.#lanes.pause()
    this.#release(() => true)
    await this.#lanes.idle()
    this.#release(() => true)
    await this.#subscription?.stop(deadlineMs)
    cancel()
  }

  deliver(deliveries: readonly Delivery[]): void {
    this.#lanes.add(
      deliveries.map((delivery) => {
        const { stream, key, priority } = delivery.message
        return { delivery, key: key === null ? null : `${stream}\u0000${key}`, priority, kind: batches }
      }),
    )
  }

  async revoke(partition: string): Promise<void> {
    const ofPartition = ({ delivery }: RelayItem): boolean => delivery.partition === partition
    this.#release(ofPartition)
    await this.#lanes.idle(ofPartition)
    this.#release(ofPartition)
  }

  #release(matches: (item: RelayItem) => boolean): void {
    for (const { delivery } of this.#lanes.evict(matches)) delivery.release()
  }

  async #send(batch: readonly RelayItem[]): Promise<Undone<RelayItem> | undefined> {
    const { transport, clock } = this.#options
    const timeout = new AbortController()
    const cancel = clock.after(publishTimeoutMs, () => timeout.abort())
    try {
      point('relay.beforePublish')
      const signal = AbortSignal.any([timeout.signal, this.#stopping.signal])
      const results = await transport.publish(
        batch.map(({ delivery }) => delivery.message),
        signal,
      )
      point('relay.afterPublish')
      return await this.#settle(batch, results)
    } catch (cause) {
      const error = new AcuseError(
        'ACUSE_TRANSPORT_UNAVAILABLE',
        `relay: ${transport.name} failed; it is tried again.`,
        { cause },
      )
      this.#options.onError(error)
      return { items: batch, delayMs: this.#pauseMs() }
    } finally {
      cancel()
    }
  }

  async #settle(
    batch: readonly RelayItem[],
    results: readonly PublishResult[],
  ): Promise<Undone<RelayItem> | undefined> {
    const { service } = this.#options
    const undone: RelayItem[] = []
    const heldKeys = new Set<string>()
    for (const [index, item] of batch.entries()) {
      const { id, type, stream, key } = item.delivery.message
      const result = results[index] ?? { state: 'failed', error: unanswered(id) }
      const error = result.state === 'failed' ? result.error : null
      tell('relayed', { service, id, type, stream, key, delivered: error === null, error })
      const held = item.key !== null && heldKeys.has(item.key)
      if (!held && (error === null || (await this.#bury(item, error)))) {
        point('relay.beforeAck')
        item.delivery.ack()
        point('relay.afterAck')
        continue
      }
      undone.push(item)
      if (item.key !== null) heldKeys.add(item.key)
      if (error !== null) this.#options.onError(error)
    }
    if (undone.length === 0) {
      this.#failures = 0
      return undefined
    }
    return { items: undone, delayMs: this.#pauseMs() }
  }

  /** Gives whether the message is done with: nobody can ever send it, and the dead letter is written. */
  async #bury({ delivery }: RelayItem, error: AcuseError): Promise<boolean> {
    if (error.retryable) return false
    const { store, service } = this.#options
    const { message } = delivery
    const death = deathOf(message, 'relay', error, 1)
    point('relay.beforeBury')
    await store.transaction((tx) => store.deadLetters.bury(tx, relayGroup, message, death, { block: false }), brief)
    point('relay.afterBury')
    const { id, type, stream, key } = message
    tell('dead', { service, group: relayGroup, id, type, stream, key, reason: 'relay', attempts: 1, error })
    return true
  }

  #pauseMs(): number {
    return Math.min(firstPauseMs * 2 ** Math.min(this.#failures++, 10), longestPauseMs)
  }
}

function unanswered(id: string): AcuseError {
  return new AcuseError('ACUSE_PUBLISH_TIMEOUT', `message ${id}: the transport gave no answer.`)
}
