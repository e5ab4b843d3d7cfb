import { type MessageType, type Stream, stream } from '@acuse/core'
import { z } from 'zod'

import { Cents, Currency, OrderId, OrderLine } from './values.ts'

/** What Orders says of an order. Keyed by order: a cancellation is never applied before the confirmation it follows. */
export const orders: Stream = stream('orders')

const key = ({ orderId }: { orderId: string }): string => orderId

/** Why an order came to nothing. */
export const cancelReasons = ['out_of_stock', 'payment_refused', 'payment_timeout', 'customer', 'expired'] as const
export type CancelReason = (typeof cancelReasons)[number]

/** An order was accepted. Inventory reserves what it asks for. */
export interface OrderCreated {
  orderId: string
  /** `null` for a guest. */
  customerId: string | null
  country: string
  currency: string
  paymentToken: string
  /** What all lines cost together. */
  amountCents: number
  lines: OrderLine[]
}
export const OrderCreated: MessageType<OrderCreated> = orders.message('order.created', {
  schema: z.object({
    orderId: OrderId,
    customerId: z.string().min(1).max(100).nullable(),
    country: z.string().min(1).max(60),
    currency: Currency,
    paymentToken: z.string().min(1).max(200),
    amountCents: Cents,
    lines: z.array(OrderLine).min(1).max(2_000),
  }),
  key,
})

/** The stock is reserved, and Payments is to charge the card. */
export interface PaymentRequested {
  orderId: string
  amountCents: number
  currency: string
  paymentToken: string
  /** How long after this message's time the order waits for its payment, ms: later, nothing is charged any more. */
  timeoutMs: number
}
export const PaymentRequested: MessageType<PaymentRequested> = orders.message('order.payment_requested', {
  schema: z.object({
    orderId: OrderId,
    amountCents: Cents.min(1),
    currency: Currency,
    paymentToken: z.string().min(1).max(200),
    timeoutMs: z.number().int().min(0),
  }),
  key,
})

/** The order is paid. Inventory hands over what it reserved. */
export interface OrderConfirmed {
  orderId: string
}
export const OrderConfirmed: MessageType<OrderConfirmed> = orders.message('order.confirmed', {
  schema: z.object({ orderId: OrderId }),
  key,
})

/** The order is over without a sale. Inventory gives back what it holds, Payments what it charged. */
export interface OrderCancelled {
  orderId: string
  reason: CancelReason
  /** What was asked of Payments; `null` when nothing was, or it was refused. */
  payment: {
    amountCents: number
    /** `null` while Orders does not know whether the card was charged. */
    chargeId: string | null
  } | null
}
export const OrderCancelled: MessageType<OrderCancelled> = orders.message('order.cancelled', {
  schema: z.object({
    orderId: OrderId,
    reason: z.enum(cancelReasons),
    payment: z.object({ amountCents: Cents, chargeId: z.string().min(1).nullable() }).nullable(),
  }),
  key,
})

/** The order is paid and its stock is sold: it is over. */
export interface OrderCompleted {
  orderId: string
}
export const OrderCompleted: MessageType<OrderCompleted> = orders.message('order.completed', {
  schema: z.object({ orderId: OrderId }),
  key,
})

/** The card was refused. The order's cancellation follows. */
export interface OrderPaymentFailed {
  orderId: string
  reason: string
}
export const OrderPaymentFailed: MessageType<OrderPaymentFailed> = orders.message('order.payment_failed', {
  schema: z.object({ orderId: OrderId, reason: z.string().min(1).max(200) }),
  key,
})

/** The customer wants the order cancelled. Too late once it is completed. */
export interface OrderCancelRequested {
  orderId: string
}
export const OrderCancelRequested: MessageType<OrderCancelRequested> = orders.message('order.cancel_requested', {
  schema: z.object({ orderId: OrderId }),
  key,
})
