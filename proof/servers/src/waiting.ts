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
