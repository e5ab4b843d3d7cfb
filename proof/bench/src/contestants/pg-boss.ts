import { PgBoss } from 'pg-boss'
import { repeat, Tally } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'
import type { Contestant } from './contestant.ts'

const fillBatch = 1_000
const fetchBatch = 1_000
/** More fetches at once than this only get into each other’s way. */
const mostFetching = 4
const unkeyed = 'unkeyed'
const keyed = 'keyed'

/** pg-boss as its guide has it for throughput: insert for batches, fetch in batches and complete them by ids. */
export async function openPgBoss(url: string): Promise<Contestant> {
  const boss = new PgBoss({ connectionString: url, max: 16, supervise: false, schedule: false })
  boss.on('error', () => undefined)
  await boss.start()
  await boss.createQueue(unkeyed)
  await boss.createQueue(keyed, { policy: 'key_strict_fifo' })
  let waiting = 0
  const insert = (from: number, count: number, keys: number): Promise<unknown> =>
    boss.insert(
      keys === 0 ? unkeyed : keyed,
      itemsOf(from, count, keys).map(({ id, key, payload }) => ({
        id,
        data: payload,
        ...(key === null ? {} : { singletonKey: key }),
      })),
    )
  return {
    publish: async ({ ms, atOnce, keys, batch }) => {
      const { count } = await repeat({ ms, atOnce }, async (n) => {
        if (batch === 1) {
          const { id, key, payload } = itemOf(n, keys)
          if (key === null) await boss.send(unkeyed, payload, { id })
          else await boss.send(keyed, payload, { id, singletonKey: key })
        } else await insert(n * batch, batch, keys)
        return batch
      })
      waiting += count
      return { count, ms }
    },
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      for (let from = 0; from < missing; from += fillBatch) await insert(from, fillBatch, keys)
      waiting += missing
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs, atOnce }) => {
      const tally = new Tally({ ms, warmMs })
      const loop = async (): Promise<void> => {
        while (!tally.isOver) {
          const taken = await boss.fetch(unkeyed, { batchSize: fetchBatch })
          if (taken.length === 0) return
          await boss.complete(
            unkeyed,
            taken.map(({ id }) => id),
          )
          tally.add(taken.length)
        }
      }
      const [counted] = await Promise.all([
        tally.result,
        ...Array.from({ length: Math.min(atOnce, mostFetching) }, loop),
      ])
      waiting -= tally.seen
      return counted
    },
    close: () => boss.stop({ graceful: false }),
  }
}
