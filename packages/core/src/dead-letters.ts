import type { DeadLetter, DeadLetterFilter, Store } from './store.ts'

export interface ReplayOptions {
  /** Replays also what the inbox does not know any more. Default false. */
  readonly force?: boolean
}

/** What an operator does with dead letters. */
export interface DeadLetters {
  /** Oldest first. */
  list(filter?: DeadLetterFilter): Promise<readonly DeadLetter[]>
  /**
   * Runs what matches again, in order per key; gives how many were taken. Replaying twice is replaying once.
   * Throws `ACUSE_REPLAY_REFUSED` for letters that the inbox does not know any more, unless `force`.
   */
  replay(filter: DeadLetterFilter, options?: ReplayOptions): Promise<number>
  /** Gives up what matches, and frees the keys it holds back; gives how many. */
  discard(filter: DeadLetterFilter): Promise<number>
}

export function deadLettersOf<Tx>(store: () => Store<Tx>, onReplay: () => void): DeadLetters {
  return {
    list: (filter = {}) => store().deadLetters.list(filter),
    replay: async (filter, { force = false } = {}) => {
      const count = await store().deadLetters.replay(filter, { force })
      onReplay()
      return count
    },
    discard: async (filter) => {
      const count = await store().deadLetters.discard(filter)
      onReplay()
      return count
    },
  }
}
