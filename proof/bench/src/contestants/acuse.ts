import { type Bus, createBus, type GroupOptions } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { repeat, Tally } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'
import { Keyed, messageOf, Unkeyed } from './acuse-messages.ts'
import type { Contestant } from './contestant.ts'

const fillBatch = 1_000

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
        else await publishBatch(publisher, pool, n * batch, batch, keys)
        return batch
      })
      waiting += count
      return { count, ms }
    },
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      let begun = 0
      const loop = async (): Promise<void> => {
        while (begun < missing) {
          const from = begun
          begun += fillBatch
          await publishBatch(publisher, pool, from, fillBatch, keys)
          waiting += fillBatch
        }
      }
      await Promise.all([loop(), loop()])
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

async function publishBatch(
  bus: Bus<PoolClient>,
  pool: Pool,
  from: number,
  count: number,
  keys: number,
): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await bus.publish(client, itemsOf(from, count, keys).map(messageOf))
    await client.query('commit')
  } finally {
    client.release()
  }
}
