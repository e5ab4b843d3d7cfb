import { setTimeout as delay } from 'node:timers/promises'

export interface QuietOptions {
  /** What is still under way. */
  readUnsettled: () => Promise<readonly string[]>
  /** How long to wait at most, ms. */
  withinMs: number
  signal: AbortSignal
  /** Between two looks, ms. Default 250. */
  everyMs?: number
}

/** Waits until all has come to rest. Gives what has not, when the time is over. */
export async function untilQuiet(options: QuietOptions): Promise<readonly string[]> {
  const { readUnsettled, withinMs, signal, everyMs = 250 } = options
  const endsAt = performance.now() + withinMs
  for (;;) {
    signal.throwIfAborted()
    const unsettled = await readUnsettled()
    if (unsettled.length === 0 || performance.now() >= endsAt) return unsettled
    await delay(everyMs, undefined, { signal })
  }
}
