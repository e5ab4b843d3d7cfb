import { derivedId } from '@acuse/core'

import type { PlacedOrder } from '../input/order-input.ts'
import { chance } from '../random.ts'

/** What is posted to Orders. */
export interface OrderRequest {
  orderId: string
  customerId: string | null
  country: string
  currency: string
  paymentToken: string
  lines: { sku: string; quantity: number; unitPriceCents: number }[]
}

/** An order of the input, with all that the seed decides about it. */
export interface PlannedOrder {
  invoice: string
  request: OrderRequest
  totalCents: number
  /** How long after it was accepted its customer cancels it; `null`: never. */
  cancelAfterMs: number | null
}

/** Share of the orders by what becomes of their card; the rest are good ones. */
const CARDS = [
  { token: 'tok_refused', share: 0.05 },
  { token: 'tok_lost', share: 0.03 },
  { token: 'tok_timeout', share: 0.01 },
  { token: 'tok_invalid', share: 0.01 },
] as const
const GOOD_CARD = 'tok_visa'

const CANCELLED_SHARE = 0.03
/** From at once to when all is over: an order takes some 20 to 200 ms, so these meet it at every stage. */
const CANCEL_AFTER_MS = [0, 5, 15, 30, 60, 120, 250, 1_000] as const

export function planOrder(order: PlacedOrder, seed: number): PlannedOrder {
  const { invoice, customerId, country, currency } = order
  const orderId = orderIdOf(invoice)
  return {
    invoice,
    request: {
      orderId,
      customerId,
      country,
      currency,
      paymentToken: `${cardOf(seed, orderId)}_${orderId}`,
      lines: order.lines.map(({ sku, quantity, unitPriceCents }) => ({ sku, quantity, unitPriceCents })),
    },
    totalCents: order.lines.reduce((sum, { quantity, unitPriceCents }) => sum + quantity * unitPriceCents, 0),
    cancelAfterMs: cancelAfterMs(seed, orderId),
  }
}

/** The same invoice gives the same order, so one that is posted again is no second order. */
export function orderIdOf(invoice: string): string {
  return derivedId('marketplace', 'order', invoice)
}

/** Whether the seed lets the order go through: its card is good, and its customer does not cancel it. */
export function goesThrough({ request, cancelAfterMs: cancelled }: PlannedOrder): boolean {
  return cancelled === null && /^tok_(visa|lost)/.test(request.paymentToken)
}

function cardOf(seed: number, orderId: string): string {
  let left = chance(seed, 'card', orderId)
  for (const { token, share } of CARDS) {
    if (left < share) return token
    left -= share
  }
  return GOOD_CARD
}

function cancelAfterMs(seed: number, orderId: string): number | null {
  if (chance(seed, 'cancel', orderId) >= CANCELLED_SHARE) return null
  const index = Math.floor(chance(seed, 'cancel after', orderId) * CANCEL_AFTER_MS.length)
  return CANCEL_AFTER_MS[index] ?? 0
}
