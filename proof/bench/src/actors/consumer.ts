import process from 'node:process'
import { createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool } from 'pg'
import { sharedNow } from '../clock.ts'
import { Keyed, Unkeyed } from '../contestants/acuse-messages.ts'

/** When a message was handled, by the id in its payload. */
export type Seen = readonly (readonly [orderId: string, at: number])[]

export interface Progress {
  readonly handled: number
  /** The most memory this process has had since it began to consume, MB. */
  readonly peakRssMb: number
}

/** A process that does nothing but consume. */
export interface ConsumerActor {
  /** Begins to consume what is published from now on, or what waits. */
  consume(options: {
    readonly from: 'now' | 'earliest'
    readonly shared: number
    /** Whether to remember when each message came. */
    readonly record: boolean
  }): Promise<void>
  /** What was handled since the last call. */
  seen(): Promise<Seen>
  progress(): Promise<Progress>
  close(): Promise<void>
}

const group = 'consumer'
const sampleMs = 100

export async function openConsumer(url: string): Promise<ConsumerActor> {
  const pool = new Pool({ connectionString: url, max: 16 })
  pool.on('error', () => undefined)
  const bus = createBus({ service: 'bench-consumer', store: pg(pool) })
  let seen: [string, number][] = []
  let handled = 0
  let peak = 0
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, sampleMs)
  return {
    consume: async ({ from, shared, record }) => {
      const take = (orderId: string): void => {
        handled++
        if (record) seen.push([orderId, sharedNow()])
      }
      bus
        .group(group, { from, sharedTransaction: shared })
        .on(Keyed, ({ data }) => take(data.orderId))
        .on(Unkeyed, ({ data }) => take(data.orderId))
      await bus.start()
    },
    seen: async () => {
      const taken = seen
      seen = []
      return taken
    },
    progress: async () => ({ handled, peakRssMb: peak / 2 ** 20 }),
    close: async () => {
      clearInterval(sampling)
      await bus.stop()
      await pool.end()
    },
  }
}
