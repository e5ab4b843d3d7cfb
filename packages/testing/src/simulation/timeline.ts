import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '@acuse/core'

interface Timer {
  readonly dueAt: number
  readonly sequence: number
  callback: (() => void) | undefined
}

/**
 * The time of a simulated world: true time, which is that of its databases. Only what is due happens, one thing after the other,
 * and between two of them all promises run to their end.
 */
export class Timeline implements Clock {
  /** A binary heap, the soonest first; of two at one time the older. */
  readonly #timers: Timer[] = []
  #nowMs: number
  #sequence = 0

  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const dueAt = this.#nowMs + (delayMs > 0 ? delayMs : 0)
    const timer: Timer = { dueAt, sequence: ++this.#sequence, callback }
    this.#push(timer)
    // What is cancelled stays in the heap until its time, which is cheaper than to look for it.
    return () => {
      timer.callback = undefined
    }
  }

  /** Lets time pass until `untilMs`, or until `over` says that it is enough. */
  async run(untilMs: number, over: () => boolean = () => false): Promise<void> {
    await nextTurn()
    while (!over()) {
      const next = this.#timers[0]
      if (next === undefined || next.dueAt > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return
      }
      this.#pop()
      if (next.callback === undefined) continue
      this.#nowMs = next.dueAt
      next.callback()
      // One turn of the event loop drains every promise that is ready. No other work is pending: nothing here does real input or output.
      await nextTurn()
    }
  }

  #push(timer: Timer): void {
    const heap = this.#timers
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const up = (at - 1) >> 1
      const above = heap[up]
      if (above === undefined || !sooner(timer, above)) break
      heap[at] = above
      at = up
    }
    heap[at] = timer
  }

  #pop(): void {
    const heap = this.#timers
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const [left, right] = [heap[child], heap[child + 1]]
      if (left === undefined) break
      if (right !== undefined && sooner(right, left)) child++
      const soonest = heap[child]
      if (soonest === undefined || !sooner(soonest, last)) break
      heap[at] = soonest
      at = child
    }
    heap[at] = last
  }
}

function sooner(one: Timer, other: Timer): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.sequence < other.sequence)
}
