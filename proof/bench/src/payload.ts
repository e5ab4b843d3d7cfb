import { createHash, randomUUID } from 'node:crypto'

/** What every contestant carries: about 200 bytes as JSON. */
export interface Payload {
  readonly orderId: string
  readonly customer: string
  readonly sku: string
  readonly quantity: number
  readonly note: string
}

export interface Item {
  readonly id: string
  /** Null where order does not matter. */
  readonly key: string | null
  readonly payload: Payload
}

const note = createHash('sha256').update('a note of some length').digest('hex').slice(0, 48)

/** Makes the n-th item of a run; `keys` 0 means unkeyed. */
export function itemOf(n: number, keys: number): Item {
  const id = randomUUID()
  const customer = `customer-${n % (keys === 0 ? 9_973 : keys)}`
  const payload = { orderId: id, customer, sku: `sku-${n % 997}`, quantity: 1 + (n % 9), note }
  return { id, key: keys === 0 ? null : customer, payload }
}

export function itemsOf(from: number, count: number, keys: number): Item[] {
  return Array.from({ length: count }, (_, index) => itemOf(from + index, keys))
}
