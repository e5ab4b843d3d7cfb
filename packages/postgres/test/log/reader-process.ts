import { type Delivery, systemClock } from '@acuse/core'
import { openDb } from '../../src/db.ts'
import { openLog } from '../../src/log/transport.ts'
import { dataOf, source } from './messages.ts'

/** What a reading process tells its parent. */
export type Told =
  | { readonly event: 'ready' }
  | { readonly event: 'delivered'; readonly data: unknown; readonly redelivered: boolean; readonly partition: string }
  | { readonly event: 'revoked'; readonly partition: string }
  | { readonly event: 'acked'; readonly count: number }
  | { readonly event: 'error'; readonly code: string }

export interface ReaderSettings {
  readonly url: string
  readonly group: string
  /** Of the stream `orders`. */
  readonly partitions: number
  readonly prefetch: number
  readonly leaseMs: number
  /** Acks each delivery at once; otherwise only when told to. */
  readonly acks: boolean
}

// Started by `startReader` with its settings as the only argument; a message from the parent acks all that is held.
const settings = JSON.parse(process.argv[2] ?? '{}') as ReaderSettings
const held: Delivery[] = []
const tell = (told: Told): void => {
  process.send?.(told)
}
const onError = ({ code }: { code: string }): void => tell({ event: 'error', code })
const db = openDb(settings.url, { schema: 'acuse', connections: 3, service: 'reader', onError })
const context = { service: 'reader', instance: `reader-${process.pid}`, clock: systemClock, onError }
const log = await openLog(db, context, { leaseMs: settings.leaseMs })

process.on('message', () => {
  const count = held.length
  for (const delivery of held.splice(0)) delivery.ack()
  tell({ event: 'acked', count })
})

const streams = [{ name: 'orders', partitions: settings.partitions }]
await log.consume(source(settings.group, { streams, prefetch: settings.prefetch }), {
  deliver(deliveries) {
    for (const delivery of deliveries) {
      const { redelivered, partition } = delivery
      tell({ event: 'delivered', data: dataOf(delivery), redelivered, partition })
      if (settings.acks) delivery.ack()
      else held.push(delivery)
    }
  },
  revoke(partition) {
    tell({ event: 'revoked', partition })
    return Promise.resolve()
  },
})
tell({ event: 'ready' })
