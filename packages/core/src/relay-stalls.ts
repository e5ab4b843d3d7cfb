import type { Clock } from './clock.ts'
import type { AcuseError } from './errors.ts'
import type { WireMessage } from './message.ts'
import type { PublishResult } from './transport.ts'

const firstPauseMs = 50
const longestPauseMs = 5_000
/** Of a broker that is away: all that is out is tried again together then, and waits for its return. */
const longestOutageMs = 1_000
/** Whoever looks at more has no use for it; a broker that is away stalls every key there is. */
const mostStalls = 1_000
/** What was set aside may be sent by another process, which this one is not told of. */
const forgottenAfterMs = 600_000

/** A key of which a message is not confirmed, so that its later ones wait. */
export interface StalledKey {
  readonly stream: string
  /** Null for a message without a key, which nothing waits for. */
  readonly key: string | null
  /** When its first attempt failed, by this process's clock. */
  readonly since: Date
  /** Attempts of this process. */
  readonly attempts: number
  /** Why the last one failed; what to do stands in it. */
  readonly error: AcuseError
}

/** The keys that a relay cannot send at the moment, and why. */
export class RelayStalls {
  readonly #clock: Clock
  readonly #byLine = new Map<string, { readonly stalled: StalledKey; readonly triedAtMs: number }>()
  /** How often in a row the broker as a whole has taken nothing. */
  #outages = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The first stalled first. */
  get list(): readonly StalledKey[] {
    const sinceMs = this.#clock.now() - forgottenAfterMs
    for (const [line, { triedAtMs }] of this.#byLine) if (triedAtMs < sinceMs) this.#byLine.delete(line)
    return [...this.#byLine.values()].map(({ stalled }) => stalled)
  }

  /** Notes a failed attempt. Gives whether it is news: the key has stalled just now, or for another reason than before. */
  note(message: WireMessage, error: AcuseError): boolean {
    const line = lineOf(message)
    const known = this.#byLine.get(line)?.stalled
    if (known === undefined && this.#byLine.size >= mostStalls) return true
    const { stream, key } = message
    const triedAtMs = this.#clock.now()
    const since = known?.since ?? new Date(triedAtMs)
    const stalled = { stream, key, since, attempts: (known?.attempts ?? 0) + 1, error }
    this.#byLine.set(line, { stalled, triedAtMs })
    return known?.error.code !== error.code
  }

  clear(message: WireMessage): void {
    if (this.#byLine.size > 0) this.#byLine.delete(lineOf(message))
  }

  /** Notes whether the broker took anything of a batch, or is away as a whole. */
  noteBatch(results: readonly PublishResult[]): void {
    if (results.some((result) => !isOfBroker(result))) this.#outages = 0
    else if (results.length > 0) this.#outages++
  }

  /**
   * When to try again what has just failed: 50 ms after the first attempt, at most 5 s. While the broker is away it is the same for all
   * keys: by the attempts of each, those that had just come had everything tried again after 50 ms, 500 messages at a time.
   */
  pauseMs(messages: readonly WireMessage[]): number {
    if (this.#outages > 0) return Math.min(pauseAfter(this.#outages), longestOutageMs)
    const attempts = messages.map((message) => this.#byLine.get(lineOf(message))?.stalled.attempts ?? mostAttempts)
    return pauseAfter(Math.min(...attempts))
  }
}

const mostAttempts = 1 + Math.ceil(Math.log2(longestPauseMs / firstPauseMs))

/** Whether it says nothing of the message and its destination. */
function isOfBroker(result: PublishResult): boolean {
  return (
    result.state === 'failed' &&
    (result.error.code === 'ACUSE_TRANSPORT_UNAVAILABLE' || result.error.code === 'ACUSE_PUBLISH_TIMEOUT')
  )
}

/** How long to wait after so many failed attempts. */
export function pauseAfter(attempts: number): number {
  return Math.min(firstPauseMs * 2 ** Math.min(Math.max(attempts, 1) - 1, mostAttempts), longestPauseMs)
}

/** What is sent in order: a key, or one message without a key. */
export function lineOf({ stream, key, id }: WireMessage): string {
  return key === null ? `${stream}\u0000\u0000${id}` : `${stream}\u0000${key}`
}
