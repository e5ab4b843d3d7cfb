import process from 'node:process'
import { createBus, listen, type Message } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { transportAt } from '@acuse/transports'
import { Pool } from 'pg'
import type { BrokerPlace } from '../brokers/place.ts'
import { sharedNow } from '../clock.ts'
import { Keyed, Unkeyed } from '../contestants/acuse-messages.ts'
import type { Payload } from '../payload.ts'

/** When a message was handled, or its effects were committed, by the id in its payload. */
export type Seen = readonly (readonly [orderId: string, at: number])[]

export interface Progress {
  readonly handled: number
  /** The most memory this process has had since it began to consume, MB. */
  readonly peakRssMb: number
  /** What it has now, MB. */
  readonly rssMb: number
}

/** A process that does nothing but consume. */
export interface ConsumerActor {
  /** Begins to consume what is published from now on, or what waits. */
  consume(options: {
    readonly from: 'now' | 'earliest'
    readonly shared: number
    /** Whether to remember when the handler of each message began, or when its effects were committed. */
    readonly record: 'none' | 'handler' | 'effect'
  }): Promise<void>
  /** What was handled since the last call. */
  seen(): Promise<Seen>
  progress(): Promise<Progress>
  close(): Promise<void>
}

const group = 'consumer'
const sampleMs = 100
const mb = 2 ** 20

export async function openConsumer(url: string, on: BrokerPlace | undefined): Promise<ConsumerActor> {
  const pool = new Pool({ connectionString: url, max: 16 })
  pool.on('error', () => undefined)
  const transport = on && transportAt(on.url)
  const bus = createBus({
    service: 'bench-consumer',
    store: pg(pool),
    ...(transport && { transport, relay: 'elsewhere' }),
  })
  let seen: [string, number][] = []
  let handled = 0
  let peak = 0
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, sampleMs)
  return {
    consume: async ({ from, shared, record }) => {
      const uncommitted = new Map<string, string>()
      const take = ({ id, data: { orderId } }: Message<Payload>): void => {
        handled++
        if (record === 'handler') seen.push([orderId, sharedNow()])
        if (record === 'effect') uncommitted.set(id, orderId)
      }
      if (record === 'effect') {
        listen('applied', ({ id }) => {
          seen.push([uncommitted.get(id) ?? '', sharedNow()])
          uncommitted.delete(id)
        })
      }
      bus.group(group, { from, sharedTransaction: shared }).on(Keyed, take).on(Unkeyed, take)
      await bus.start()
    },
    seen: async () => {
      const taken = seen
      seen = []
      return taken
    },
    progress: async () => ({ handled, peakRssMb: peak / mb, rssMb: process.memoryUsage.rss() / mb }),
    close: async () => {
      clearInterval(sampling)
      await bus.stop()
      await pool.end()
    },
  }
}
