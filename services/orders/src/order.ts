import type { CancelReason, OrderLine } from '@acuse-services/contracts'

/** In the order an order goes through them; it may be cancelled from each of the first four. */
export const orderStates = ['pending', 'reserved', 'paying', 'confirmed', 'completed', 'cancelled'] as const
export type OrderState = (typeof orderStates)[number]

/** What a customer asks for. */
export interface OrderRequest {
  /** Made when left out. */
  readonly orderId?: string | undefined
  /** `null` for a guest. */
  readonly customerId: string | null
  readonly country: string
  readonly currency: string
  readonly paymentToken: string
  readonly lines: OrderLine[]
}

export interface Order {
  readonly orderId: string
  readonly state: OrderState
  /** `null` unless it is cancelled. */
  readonly reason: CancelReason | null
  readonly customerId: string | null
  readonly country: string
  readonly currency: string
  readonly amountCents: number
  readonly lines: readonly OrderLine[]
  readonly createdAt: Date
  readonly changedAt: Date
}

/** The answer to a request for an order; it is the same however often the request is repeated. */
export interface Answer {
  readonly status: 202 | 402 | 409
  readonly body: object
}

export interface Stats {
  readonly byState: Readonly<Record<OrderState, number>>
  readonly byReason: Readonly<Record<CancelReason, number>>
  /** What the orders of each state cost together. */
  readonly centsByState: Readonly<Record<OrderState, number>>
}
