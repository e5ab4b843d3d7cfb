import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bus, createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { transportAt } from '@acuse/transports'
import { Pool, type PoolClient } from 'pg'
import type { BrokerPlace } from '../brokers/place.ts'
import { sharedNow } from '../clock.ts'
import { messageOf } from '../contestants/acuse-messages.ts'
import { itemOf } from '../payload.ts'
import type { Seen } from './consumer.ts'

/** A process that publishes in transactions of its own making, as an application does; to a broker, it relays too. */
export interface PublisherActor {
  /** Publishes at a steady rate. Gives when each commit was acknowledged. */
  pace(options: { readonly ms: number; readonly perSecond: number; readonly keys: number }): Promise<Seen>
  /** The memory it has now, MB. */
  rssMb(): Promise<number>
  close(): Promise<void>
}

const connections = 16

export async function openPublisher(url: string, on: BrokerPlace | undefined): Promise<PublisherActor> {
  const pool = new Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined)
  const transport = on && transportAt(on.url)
  const bus = createBus({ service: 'bench-publisher', store: pg(pool), ...(transport && { transport }) })
  await bus.start()
  let n = 0
  return {
    pace: async ({ ms, perSecond, keys }) => {
      const committed: [string, number][] = []
      const publishing = new Set<Promise<void>>()
      const total = Math.max(1, Math.floor((ms * perSecond) / 1_000))
      const startedAt = performance.now()
      for (let begun = 0; begun < total;) {
        const due = Math.min(total, 1 + Math.floor(((performance.now() - startedAt) * perSecond) / 1_000))
        for (; begun < due; begun++) {
          const one = publishOne(bus, pool, itemOf(n++, keys)).then((entry) => void committed.push(entry))
          publishing.add(one)
          void one.finally(() => publishing.delete(one)).catch(() => undefined)
        }
        if (begun < total) await sleep(1)
      }
      await Promise.all(publishing)
      return committed
    },
    rssMb: async () => process.memoryUsage.rss() / 2 ** 20,
    close: async () => {
      await bus.stop()
      await pool.end()
    },
  }
}

async function publishOne(
  bus: Bus<PoolClient>,
  pool: Pool,
  item: ReturnType<typeof itemOf>,
): Promise<[string, number]> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await bus.publish(client, messageOf(item))
    await client.query('commit')
    return [item.id, sharedNow()]
  } finally {
    client.release()
  }
}
