import type { Seen } from './actors/consumer.ts'
import type { Remote } from './actors/remote.ts'
import { setTimeout as sleep } from 'node:timers/promises'

const longestWaitMs = 30_000

/** How long each message took from its commit to its handler, ms; a handler that was there before the publisher's own answer took none. */
export function latenciesOf(committed: Seen, handled: Seen): number[] {
  const handledAt = new Map(handled)
  return committed.map(([id, at]) => Math.max(0, (handledAt.get(id) ?? Number.NaN) - at))
}

/** Publishes at a steady rate and waits until all of it was handled. */
export async function paceAndWait(
  publisher: Remote<'publisher'>,
  consumer: Remote<'consumer'>,
  pace: { readonly ms: number; readonly perSecond: number; readonly keys: number },
): Promise<number[]> {
  const committed = await publisher.pace(pace)
  const handled: [string, number][] = []
  const giveUpAt = performance.now() + longestWaitMs
  while (handled.length < committed.length) {
    if (performance.now() > giveUpAt) {
      throw new Error(
        `${committed.length - handled.length} of ${committed.length} messages were not handled in ${longestWaitMs} ms.`,
      )
    }
    for (const [id, at] of await consumer.seen()) handled.push([id, at])
    await sleep(20)
  }
  return latenciesOf(committed, handled)
}
