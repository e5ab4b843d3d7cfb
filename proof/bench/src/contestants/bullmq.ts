import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { BrokerPlace } from '../brokers/place.ts'
import { Tally } from '../loops.ts'
import { itemsOf } from '../payload.ts'
import type { Drainer } from './contestant.ts'

const loadBatch = 1_000
const concurrency = 100

/** BullMQ as its guide has it for throughput: a worker with much at once, and nothing is kept of what is done. */
export async function openBullMq({ url, place }: BrokerPlace): Promise<Drainer> {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue(place, { connection })
  let waiting = 0
  return {
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      for (let from = 0; from < missing; from += loadBatch) {
        const opts = { removeOnComplete: true }
        await queue.addBulk(
          itemsOf(from, loadBatch, keys).map(({ payload }) => ({ name: 'bench', data: payload, opts })),
        )
        waiting += loadBatch
      }
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs }) => {
      const tally = new Tally({ ms, warmMs })
      const worker = new Worker(place, async () => tally.add(), { connection, concurrency })
      worker.on('error', () => undefined)
      const result = await tally.result
      await worker.close()
      waiting -= tally.seen
      return result
    },
    close: async () => {
      await queue.close()
      connection.disconnect()
    },
  }
}
