import { messageOf, pause, systemClock } from '@acuse/core'

export interface EventuallyOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number
  /** Between two looks; default 10. */
  readonly everyMs?: number
  /** How to let time pass, e.g. `(ms) => clock.advance({ ms })`; default: the machine's clock. */
  readonly wait?: (ms: number) => Promise<void>
}

/** Looks until `check` no longer throws, and gives what it returned; after `timeoutMs` throws what `check` threw last. */
export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeoutMs = 5_000, everyMs = 10, wait = (ms: number) => pause(systemClock, ms) } = options
  for (let waitedMs = 0; ; waitedMs += everyMs) {
    try {
      return await check()
    } catch (cause) {
      if (waitedMs >= timeoutMs) {
        throw new Error(`Still not so after ${timeoutMs} ms: ${messageOf(cause)}`, { cause })
      }
    }
    await wait(everyMs)
  }
}
