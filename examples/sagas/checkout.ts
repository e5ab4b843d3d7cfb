import { saga, stream } from '@acuse/core'
import { z } from 'zod'

const orders = stream('orders')
const byOrder = { schema: z.object({ orderId: z.string() }), key: ({ orderId }: { orderId: string }) => orderId }

export const OrderPlaced = orders.message('order.placed', byOrder)
export const PaymentRequested = orders.message('payment.requested', byOrder)
export const PaymentReceived = orders.message('payment.received', byOrder)
export const OrderConfirmed = orders.message('order.confirmed', byOrder)
export const OrderCancelled = orders.message('order.cancelled', byOrder)

// #region saga
const dayMs = 24 * 60 * 60 * 1_000

/** What is kept between messages: a JSON value. */
interface Checkout {
  readonly reminded: boolean
}

export const checkout = saga<Checkout>('checkout', () => ({ reminded: false }))
  .on(OrderPlaced, { id: ({ data }) => data.orderId, starts: true }, (_state, { data }) => ({
    publish: [PaymentRequested(data)],
    timeouts: { 'payment-due': 14 * dayMs },
  }))
  .on(PaymentReceived, { id: ({ data }) => data.orderId }, (_state, { data }) => ({
    publish: [OrderConfirmed(data)],
    complete: true, // its timeouts are cancelled, and later messages to it are ignored
  }))
  .onTimeout('payment-due', ({ reminded }, orderId) => {
    if (reminded) return { publish: [OrderCancelled({ orderId })], complete: true }
    return {
      state: { reminded: true },
      publish: [PaymentRequested({ orderId })],
      timeouts: { 'payment-due': 16 * dayMs },
    }
  })
// #endregion
