import { randomUUID } from 'node:crypto'
import type { Delivery, Priority, Sink, Source, WireMessage } from '@acuse/core'

export interface Wish {
  readonly key?: string | null
  readonly stream?: string
  readonly type?: string
  readonly priority?: Priority
  readonly id?: string
}

/** A message whose body is the JSON of `data`. */
export function message(data: unknown, wish: Wish = {}): WireMessage {
  return {
    id: wish.id ?? randomUUID(),
    type: wish.type ?? 'order.placed',
    stream: wish.stream ?? 'orders',
    key: wish.key === undefined ? 'a' : wish.key,
    priority: wish.priority ?? 'normal',
    headers: { 'content-type': 'application/json', 'ce-source': 'test' },
    body: Buffer.from(JSON.stringify(data)),
  }
}

export function dataOf({ message: { body } }: Pick<Delivery, 'message'>): unknown {
  return JSON.parse(Buffer.from(body).toString())
}

export function source(group: string, wish: Partial<Source> = {}): Source {
  return {
    group,
    streams: [{ name: 'orders', partitions: 4 }],
    types: 'all',
    from: 'earliest',
    prefetch: 100,
    ...wish,
  }
}

/** Keeps what it is given; acks at once unless told to hold. */
export class Collector implements Sink {
  readonly deliveries: Delivery[] = []
  readonly revoked: string[] = []
  readonly #onDelivery: (delivery: Delivery) => void

  constructor(onDelivery: (delivery: Delivery) => void = (delivery) => delivery.ack()) {
    this.#onDelivery = onDelivery
  }

  get data(): unknown[] {
    return this.deliveries.map(dataOf)
  }

  deliver(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      this.deliveries.push(delivery)
      this.#onDelivery(delivery)
    }
  }

  revoke(partition: string): Promise<void> {
    this.revoked.push(partition)
    return Promise.resolve()
  }
}

/** Waits until `check` holds, looking every few milliseconds. */
export async function eventually(check: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const until = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > until) throw new Error(`did not come true within ${timeoutMs} ms: ${check.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
