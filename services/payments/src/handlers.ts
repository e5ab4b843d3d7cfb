import {
  OrderCancelled,
  PaymentCancelled,
  PaymentProcessed,
  PaymentRefunded,
  PaymentRefused,
  PaymentRequested,
  groupDefaults,
} from '@acuse-services/contracts'
import { type Bus, type Clock, type ExternalContext, systemClock } from '@acuse/core'
import type { PoolClient } from 'pg'

import { bookCancellation, bookCharge, bookRefund, bookRefusal } from './book.ts'
import { type Gateway, isGatewayDown } from './gateway.ts'

export interface HandlerOptions {
  readonly gateway: Gateway
  /** How long the gateway is left alone when it seems to be down, ms. */
  readonly breakerResetMs: number
  readonly clock?: Clock
}

/**
 * What Payments does for orders, in two groups.
 *
 * The first calls the gateway, without a transaction, and publishes what the gateway answered. The second writes those
 * answers into the book. Between the two stands the outbox: an answer is published when the call's claim is settled, in
 * one transaction. A crash before that repeats the call with the same key, and the gateway repeats its answer.
 *
 * So the gateway alone decides what was charged, and nothing here depends on how far the book is. A cancellation gives
 * back the charge that Orders names, or else undoes whatever there is under the order's key; either way no later charge
 * with that key can succeed. A charge and the cancellation after it have one stream and one key, so the second waits for
 * the first, also while that is retried.
 */
export function handlePayments(bus: Bus<PoolClient>, options: HandlerOptions): void {
  const { gateway, breakerResetMs, clock = systemClock } = options

  const undo = async (orderId: string, amountCents: number, { publish, signal }: ExternalContext): Promise<void> => {
    const undone = await gateway.undo(orderId, signal)
    if (undone.outcome === 'not_charged') publish(PaymentCancelled({ orderId }))
    else publish(PaymentRefunded({ orderId, chargeId: undone.chargeId, amountCents }))
  }

  bus
    .group({
      concurrency: 6,
      ...groupDefaults,
      breaker: { threshold: 5, windowMs: 60_000, resetMs: breakerResetMs, trips: isGatewayDown },
    })
    .onExternal(PaymentRequested, async ({ data, time }, context) => {
      const { orderId, amountCents, currency, paymentToken, timeoutMs } = data
      // The order has given up by now, or is about to. Its cancellation waits behind this message, so this one must end.
      if (clock.now() > time.getTime() + timeoutMs) return undo(orderId, amountCents, context)
      const charged = await gateway.charge({ orderId, amountCents, currency, paymentToken }, context.signal)
      if (charged.outcome === 'charged') {
        context.publish(PaymentProcessed({ orderId, chargeId: charged.chargeId, amountCents, currency }))
      } else if (charged.reason === 'cancelled') {
        context.publish(PaymentCancelled({ orderId }))
      } else {
        context.publish(PaymentRefused({ orderId, reason: charged.reason }))
      }
    })
    .onExternal(OrderCancelled, async ({ data: { orderId, payment } }, context) => {
      if (payment === null) return
      const { amountCents, chargeId } = payment
      if (chargeId === null) return undo(orderId, amountCents, context)
      await gateway.refund(orderId, chargeId, context.signal)
      context.publish(PaymentRefunded({ orderId, chargeId, amountCents }))
    })

  // A group of its own: the book is kept while the gateway is down and the other group waits for it.
  bus
    .group('payments.book', {
      concurrency: 2,
      ...groupDefaults,
    })
    .on(PaymentProcessed, ({ data }, { tx }) => bookCharge(tx, data))
    .on(PaymentRefused, ({ data }, { tx }) => bookRefusal(tx, data))
    .on(PaymentRefunded, ({ data }, { tx }) => bookRefund(tx, data))
    .on(PaymentCancelled, ({ data }, { tx }) => bookCancellation(tx, data.orderId))
}
