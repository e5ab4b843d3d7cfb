import type { Clock } from '@acuse/core'
import type { Timeline } from './timeline.ts'

/** What is to befall a process in the middle of one of its calls to a server. */
export interface Ambush {
  /** How many calls are still spared. */
  calls: number
  /** Before the request is on its way, or when the server has done it and nobody knows yet. */
  readonly phase: 'before' | 'after'
  readonly strike: () => void
}

/**
 * One life of a process. Its code runs only when something reaches it from outside: a timer, an answer, a delivery.
 * So a crash is that nothing reaches it any more, and a pause that everything waits.
 */
export class SimulatedProcess {
  /** Of the service and place, e.g. `orders/2`: the same in every life. */
  readonly name: string
  /** Of this life alone. */
  readonly instance: string
  readonly clock: Clock
  readonly #timeline: Timeline
  readonly #held: (() => void)[] = []
  readonly #onCrash: (() => void)[] = []
  readonly #ambushes: Ambush[]
  #state: 'running' | 'paused' | 'crashed' = 'running'
  #aheadMs: number

  constructor(
    timeline: Timeline,
    life: {
      readonly name: string
      readonly instance: string
      readonly aheadMs: number
      readonly ambushes: Ambush[]
    },
  ) {
    this.#timeline = timeline
    this.name = life.name
    this.instance = life.instance
    this.#aheadMs = life.aheadMs
    this.#ambushes = life.ambushes
    this.clock = {
      now: () => timeline.now() + this.#aheadMs,
      after: (delayMs, callback) => this.#after(delayMs, callback),
    }
  }

  get state(): 'running' | 'paused' | 'crashed' {
    return this.#state
  }

  get aheadMs(): number {
    return this.#aheadMs
  }

  /** Something from outside reaches the process. */
  enter(callback: () => void): void {
    if (this.#state === 'running') callback()
    else if (this.#state === 'paused') this.#held.push(callback)
  }

  /** Gives the ambush that this call to a server runs into. */
  countCall(): Ambush | undefined {
    const at = this.#ambushes.findIndex((ambush) => ambush.calls-- <= 0)
    return at === -1 ? undefined : this.#ambushes.splice(at, 1)[0]
  }

  /** Runs at once when it crashes. */
  whenCrashed(callback: () => void): void {
    if (this.#state === 'crashed') callback()
    else this.#onCrash.push(callback)
  }

  crash(): void {
    if (this.#state === 'crashed') return
    this.#state = 'crashed'
    this.#held.length = 0
    for (const callback of this.#onCrash.splice(0)) callback()
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  /** What waited reaches it now, each in a moment of its own. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    for (const callback of this.#held.splice(0)) this.#timeline.after(0, () => this.enter(callback))
  }

  /** Its own clock jumps; timers count on. */
  jump(byMs: number): void {
    this.#aheadMs += byMs
  }

  #after(delayMs: number, callback: () => void): () => void {
    let wanted = true
    const cancel = this.#timeline.after(delayMs, () => {
      this.enter(() => {
        if (wanted) callback()
      })
    })
    return () => {
      wanted = false
      cancel()
    }
  }
}
