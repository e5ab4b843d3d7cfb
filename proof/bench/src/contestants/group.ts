import { type Bus, createBus, type GroupOptions, systemClock } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { transportAt } from '@acuse/transports'
import { Pool, type PoolClient } from 'pg'
import type { BrokerPlace } from '../brokers/place.ts'
import { Tally } from '../loops.ts'
import { wireMessages } from '../wire-messages.ts'
import { keyedOf } from './acuse-messages.ts'
import type { Drainer } from './contestant.ts'

const loadBatch = 2_000
const publishTimeoutMs = 60_000

/** A group that consumes from the broker, with its inbox; its stream is its own. */
export async function openGroup(url: string, { url: brokerUrl, place }: BrokerPlace): Promise<Drainer> {
  const pool = new Pool({ connectionString: url, max: 16 })
  pool.on('error', () => undefined)
  const service = `bench-${place}`
  const Placed = keyedOf(place)
  const busWith = (tally: Tally, options: GroupOptions<PoolClient>): Bus<PoolClient> => {
    const bus = createBus({ service, store: pg(pool), transport: transportAt(brokerUrl), relay: 'elsewhere' })
    bus.group(place, options).on(Placed, () => tally.add())
    return bus
  }
  // Declared before anything is published, so that the group reads what will wait for it.
  const registering = busWith(new Tally({ ms: 0, warmMs: 0 }), {})
  await registering.start()
  await registering.stop()
  const context = { service, instance: `${service}-loads`, clock: systemClock, onError: () => undefined }
  const loading = await transportAt(brokerUrl)(context)
  let waiting = 0
  let loaded = 0
  return {
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      const messageOf = wireMessages(place, keys)
      for (let sent = 0; sent < missing; sent += loadBatch) {
        const batch = Array.from({ length: loadBatch }, () => messageOf(loaded++))
        const results = await loading.publish(batch, AbortSignal.timeout(publishTimeoutMs))
        for (const result of results) if (result.state === 'failed') throw result.error
        waiting += loadBatch
      }
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs, atOnce, shared }) => {
      const tally = new Tally({ ms, warmMs })
      const bus = busWith(tally, { concurrency: atOnce, sharedTransaction: shared })
      await bus.start()
      const result = await tally.result
      await bus.stop()
      waiting -= tally.seen
      return result
    },
    close: async () => {
      await loading[Symbol.asyncDispose]()
      await pool.end()
    },
  }
}
