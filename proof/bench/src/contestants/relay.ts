import { createBus, listen } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { transportAt } from '@acuse/transports'
import { Pool } from 'pg'
import type { BrokerPlace } from '../brokers/place.ts'
import { Tally } from '../loops.ts'
import { itemsOf } from '../payload.ts'
import { keyedOf, unkeyedOf } from './acuse-messages.ts'
import type { Drainer } from './contestant.ts'
import { loadLog } from './log-load.ts'

/** A service's relay: what waits is in its log, and it drains into the broker. */
export async function openRelay(url: string, { url: brokerUrl, place }: BrokerPlace): Promise<Drainer> {
  const pool = new Pool({ connectionString: url, max: 16 })
  pool.on('error', () => undefined)
  const service = `bench-${place}`
  // A stream of its own: another relay's would still have that one's group, for which the broker would take each message too.
  const [Keyed, Unkeyed] = [keyedOf(`${place}.keyed`), unkeyedOf(`${place}.unkeyed`)]
  // Somebody has to be there for whom the broker takes the messages.
  const subscribing = createBus({ service, store: pg(pool), transport: transportAt(brokerUrl) })
  subscribing
    .group(place)
    .on(Keyed, () => undefined)
    .on(Unkeyed, () => undefined)
  await subscribing.start()
  await subscribing.stop()
  // Without a transport it only writes into the log.
  const publisher = createBus({ service, store: pg(pool) })
  await publisher.start()
  let waiting = 0
  return {
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      waiting += await loadLog(publisher, pool, missing, (from, size) =>
        itemsOf(from, size, keys).map(({ key, payload }) => (key === null ? Unkeyed(payload) : Keyed(payload))),
      )
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs }) => {
      const tally = new Tally({ ms, warmMs })
      const stopListening = listen('relayed', ({ delivered }) => {
        if (delivered) tally.add()
      })
      const bus = createBus({ service, store: pg(pool), transport: transportAt(brokerUrl) })
      await bus.start()
      const result = await tally.result
      await bus.stop()
      stopListening()
      waiting -= tally.seen
      return result
    },
    close: async () => {
      await publisher.stop()
      await pool.end()
    },
  }
}
