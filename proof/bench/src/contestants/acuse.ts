import { type Bus, createBus, type GroupOptions, type OutgoingMessage } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { repeat, Tally } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'
import { Keyed, messageOf, Unkeyed } from './acuse-messages.ts'
import type { Contestant } from './contestant.ts'
import { loadLog, publishTogether } from './log-load.ts'

/** The project, with default options unless a measure says otherwise. */
export async function openAcuse(url: string): Promise<Contestant> {
  const pool = new Pool({ connectionString: url, max: 16 })
  pool.on('error', () => undefined)
  // Declared before anything is published, so that the group reads what will wait for it.
  const registering = busWith(pool, new Tally({ ms: 0, warmMs: 0 }), {})
  await registering.start()
  await registering.stop()
  const publisher = createBus({ service: 'bench', store: pg(pool) })
  await publisher.start()
  let waiting = 0
  return {
    publish: async ({ ms, atOnce, keys, batch, transaction }) => {
      const { count } = await repeat({ ms, atOnce }, async (n) => {
        if (batch === 1 && transaction !== 'caller') await publisher.publishNow(messageOf(itemOf(n, keys)))
        else await publishTogether(publisher, pool, itemsOf(n * batch, batch, keys).map(messageOf))
        return batch
      })
      waiting += count
      return { count, ms }
    },
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      const batchOf = (from: number, size: number): OutgoingMessage[] => itemsOf(from, size, keys).map(messageOf)
      waiting += await loadLog(publisher, pool, missing, batchOf)
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs, atOnce, shared }) => {
      const tally = new Tally({ ms, warmMs })
      const bus = busWith(pool, tally, { concurrency: atOnce, sharedTransaction: shared })
      await bus.start()
      const result = await tally.result
      await bus.stop()
      waiting -= tally.seen
      return result
    },
    close: async () => {
      await publisher.stop()
      await pool.end()
    },
  }
}

function busWith(pool: Pool, tally: Tally, options: GroupOptions<PoolClient>): Bus<PoolClient> {
  const bus = createBus({ service: 'bench', store: pg(pool) })
  bus
    .group('drain', { from: 'earliest', ...options })
    .on(Keyed, () => tally.add())
    .on(Unkeyed, () => tally.add())
  return bus
}
