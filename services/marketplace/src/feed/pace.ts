import { setTimeout as delay } from 'node:timers/promises'

/** Settles when the next may go; so many a second at most. Without a rate it never waits. */
export function createPace(ratePerSecond: number | null, signal: AbortSignal): () => Promise<void> {
  if (ratePerSecond === null) return () => Promise.resolve()
  const everyMs = 1_000 / ratePerSecond
  let nextAt = performance.now()
  return async () => {
    const now = performance.now()
    const waitMs = nextAt - now
    // What was missed while nobody asked is not caught up on.
    nextAt = Math.max(nextAt, now) + everyMs
    if (waitMs >= 1) await delay(waitMs, undefined, { signal })
  }
}
