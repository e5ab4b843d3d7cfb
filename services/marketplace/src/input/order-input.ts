/** One line of an order: a product, how many, and what one of them costs in pence. */
export interface OrderLine {
  sku: string
  /** Empty when the source gives none. */
  description: string
  /** Units, from 1. In a cancellation: units given back, so also from 1. */
  quantity: number
  unitPriceCents: number
  /** Line number in the source, from 1 (the header is line 1). */
  line: number
}

export interface PlacedOrder {
  kind: 'order'
  invoice: string
  /** `null` for a guest. */
  customerId: string | null
  country: string
  currency: 'GBP'
  /** ISO 8601, UTC. */
  placedAt: string
  lines: OrderLine[]
}

/** A customer asks to cancel. The source names the customer and the products, not the order they were bought with. */
export interface Cancellation {
  kind: 'cancellation'
  invoice: string
  customerId: string | null
  country: string
  /** ISO 8601, UTC. */
  askedAt: string
  lines: OrderLine[]
}

/** Something in the source that could not be used, and why. `invoice` is `null` where the line does not say. */
export interface RejectedLine {
  kind: 'rejected'
  line: number
  invoice: string | null
  reason: string
}

export type OrderInput = PlacedOrder | Cancellation | RejectedLine
