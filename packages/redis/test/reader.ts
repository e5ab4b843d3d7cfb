import type { Delivery, Sink, StartFrom, Subscription, Transport } from '@acuse/core'
import { partitions } from './opened.ts'

/** A consumer that remembers what came; acks at once unless it is to hold. */
export class Reader implements Sink {
  readonly deliveries: Delivery[] = []
  readonly revoked: string[] = []
  holds: boolean

  constructor(holds = false) {
    this.holds = holds
  }

  deliver(deliveries: readonly Delivery[]): void {
    this.deliveries.push(...deliveries)
    if (!this.holds) for (const delivery of deliveries) delivery.ack()
  }

  async revoke(partition: string): Promise<void> {
    this.revoked.push(partition)
    for (const delivery of this.deliveries) if (delivery.partition === partition) delivery.release()
  }

  get labels(): string[] {
    return this.deliveries.map(({ message }) => Buffer.from(message.body).toString())
  }

  get partitions(): string[] {
    return [...new Set(this.deliveries.map(({ partition }) => partition))]
  }
}

export interface ReadOptions {
  readonly stream: string
  readonly group: string
  readonly from?: StartFrom
  readonly holds?: boolean
  readonly partitions?: number
}

export async function read(
  transport: Transport,
  { stream, group, from = 'now', holds, partitions: count = partitions }: ReadOptions,
): Promise<{ readonly reader: Reader; readonly subscription: Subscription }> {
  const reader = new Reader(holds)
  const source = { group, streams: [{ name: stream, partitions: count }], types: 'all' as const, from, prefetch: 100 }
  return { reader, subscription: await transport.consume(source, reader) }
}
