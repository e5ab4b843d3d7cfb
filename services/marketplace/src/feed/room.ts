import { setTimeout as delay } from 'node:timers/promises'

export interface RoomOptions {
  /** Orders that may be under way at once. */
  most: number
  /** How many are now. */
  readOpen: () => Promise<number>
  /** Between two looks while there is no room, ms. */
  everyMs: number
  signal: AbortSignal
}

/**
 * Settles when there is room for one more order. Without such a bound a machine that is slower than the input would pile
 * up orders until their payments time out, and the run would show a queue instead of a marketplace.
 */
export function createRoom({ most, readOpen, everyMs, signal }: RoomOptions): () => Promise<void> {
  /** Those of the last look, and those let in since. */
  let open = 0
  const isFull = (): boolean => open >= most
  let looking: Promise<void> | undefined

  const look = async (): Promise<void> => {
    await delay(everyMs, undefined, { signal })
    // A look that fails (the database is away) says nothing; there will be another.
    open = await readOpen().catch(() => open)
    looking = undefined
  }
  return async () => {
    while (isFull()) {
      looking ??= look()
      await looking
    }
    open += 1
  }
}
