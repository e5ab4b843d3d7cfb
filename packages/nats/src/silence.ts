import type { Clock } from '@acuse/core'
import { RequestError, TimeoutError } from '@nats-io/transport-node'

/** Longer than it takes a cluster to choose a leader anew, which nobody answers for either. */
const longestMs = 10_000

/**
 * Notices a server of a cluster that is cut off from the others: it keeps its clients, answers their pings, and JetStream answers
 * nothing. Without that a client would stay with it for as long as the network is broken, however well the others are.
 */
export class Silence {
  readonly #clock: Clock
  readonly #onTooLong: () => void
  #sinceMs: number | undefined

  /** `onTooLong` is called when nothing was answered for 10 s since the first question that was not. */
  constructor(clock: Clock, onTooLong: () => void) {
    this.#clock = clock
    this.#onTooLong = onTooLong
  }

  /** Something was answered, or there is another server now. */
  over(): void {
    this.#sinceMs = undefined
  }

  /** A question was not answered, or with that nobody leads. */
  goesOn(): void {
    const now = this.#clock.now()
    this.#sinceMs ??= now
    if (now - this.#sinceMs < longestMs) return
    this.over()
    this.#onTooLong()
  }
}

/** Whether this is what comes of a question that nobody answers. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof RequestError && error.isNoResponders())
}
