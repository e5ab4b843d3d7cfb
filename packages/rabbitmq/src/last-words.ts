import { type Clock, pause } from '@acuse/core'

/** What is said while letting go: a server that does not answer is not waited for longer. */
const lastWordsMs = 1_000

/** Waits for something that is good to have and not needed, at most a second. Never rejects. */
export async function lastWords(clock: Clock, work: Promise<unknown>): Promise<void> {
  const answered = new AbortController()
  void work.catch(() => undefined).finally(() => answered.abort())
  await pause(clock, lastWordsMs, answered.signal)
}
