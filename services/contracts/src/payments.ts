import { type MessageType, type Stream, stream } from '@acuse/core'
import { z } from 'zod'

import { Cents, Currency, OrderId } from './values.ts'

/** What became of an order's payment, keyed by order. */
export const payments: Stream = stream('payments')

const key = ({ orderId }: { orderId: string }): string => orderId

/** The card is charged. */
export interface PaymentProcessed {
  orderId: string
  chargeId: string
  amountCents: number
  currency: string
}
export const PaymentProcessed: MessageType<PaymentProcessed> = payments.message('payment.processed', {
  schema: z.object({ orderId: OrderId, chargeId: z.string().min(1), amountCents: Cents.min(1), currency: Currency }),
  key,
})

/** The card's bank said no. */
export interface PaymentRefused {
  orderId: string
  reason: string
}
export const PaymentRefused: MessageType<PaymentRefused> = payments.message('payment.refused', {
  schema: z.object({ orderId: OrderId, reason: z.string().min(1).max(200) }),
  key,
})

/** The card was charged, and has its money back. */
export interface PaymentRefunded {
  orderId: string
  chargeId: string
  amountCents: number
}
export const PaymentRefunded: MessageType<PaymentRefunded> = payments.message('payment.refunded', {
  schema: z.object({ orderId: OrderId, chargeId: z.string().min(1), amountCents: Cents.min(1) }),
  key,
})

/** The card was not charged for this order, and never will be. */
export interface PaymentCancelled {
  orderId: string
}
export const PaymentCancelled: MessageType<PaymentCancelled> = payments.message('payment.cancelled', {
  schema: z.object({ orderId: OrderId }),
  key,
})
