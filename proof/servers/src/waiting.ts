import { setTimeout as delay } from 'node:timers/promises'

/** Looks at a condition every 10 ms until it holds (true) or `timeoutMs` has passed (false). */
export async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() >= deadline) return false
    await delay(10)
  }
  return true
}

/**
 * Repeats a check every 30 ms until it does not throw any more.
 *
 * @throws what the check last threw, when `timeoutMs` have passed.
 */
export async function eventually<T>(check: () => Promise<T>, timeoutMs: number): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() >= deadline) throw error
    }
    await delay(30)
  }
}
