import { asUnavailable } from './claims.ts'
import { AcuseError } from './errors.ts'
import { buryDelivery } from './failure.ts'
import { takenOutBecause } from './foreign-reading.ts'
import type { Pipe } from './group.ts'
import { type LaneItem, type LaneKind, Lanes, type Undone } from './lanes.ts'
import type { Delivery, Sink, Subscription } from './transport.ts'
import type { GroupRuntime } from './work.ts'

/** Nobody waits for them. */
const prefetch = 100
const concurrency = 1
const single: LaneKind = { most: 1, waitMs: 0 }
const outagePauseMs = 1_000

interface Letter extends LaneItem {
  readonly delivery: Delivery
}

/** Takes what the broker has taken out of a group's queue into the dead letters of the group. */
export class DeadLetterIntake<Tx> implements Sink {
  readonly #runtime: GroupRuntime<Tx>
  readonly #lanes: Lanes<Letter>
  #subscription: Subscription | undefined

  constructor(runtime: GroupRuntime<Tx>) {
    this.#runtime = runtime
    this.#lanes = new Lanes({ clock: runtime.clock, concurrency, run: (letters) => this.#bury(letters) })
  }

  async start(pipe: Pipe): Promise<void> {
    const group = this.#runtime.declaration.name
    this.#subscription ??= await pipe.consume({ group, streams: [], types: 'all', from: 'earliest', prefetch }, this)
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#subscription?.pause()
    this.#lanes.pause()
    this.#release(() => true)
    await this.#lanes.idle()
    this.#release(() => true)
    await this.#subscription?.stop(deadlineMs)
  }

  deliver(deliveries: readonly Delivery[]): void {
    this.#lanes.add(deliveries.map((delivery) => ({ delivery, key: null, priority: 'normal', kind: single })))
  }

  async revoke(partition: string): Promise<void> {
    const ofPartition = ({ delivery }: Letter): boolean => delivery.partition === partition
    this.#release(ofPartition)
    await this.#lanes.idle(ofPartition)
    this.#release(ofPartition)
  }

  #release(matches: (letter: Letter) => boolean): void {
    for (const { delivery } of this.#lanes.evict(matches)) delivery.release()
  }

  async #bury(letters: readonly Letter[]): Promise<Undone<Letter> | undefined> {
    for (const [index, { delivery }] of letters.entries()) {
      const { message } = delivery
      const text = `message ${message.type} ${message.id}: the broker took it out of the queue of group ${this.#runtime.declaration.name} before it was handled: ${takenOutBecause(message) ?? 'it does not say why'}.`
      try {
        await buryDelivery(message, 'broker', new AcuseError('ACUSE_EXPIRED', text), 0, this.#runtime)
      } catch (error) {
        this.#runtime.onError(asUnavailable(this.#runtime, error))
        return { items: letters.slice(index), delayMs: outagePauseMs }
      }
      delivery.ack()
    }
    return undefined
  }
}
