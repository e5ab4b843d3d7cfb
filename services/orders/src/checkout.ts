import {
  type CancelReason,
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReleased,
  InventoryReserved,
  OrderCancelled,
  OrderCancelRequested,
  OrderCompleted,
  OrderConfirmed,
  OrderCreated,
  OrderPaymentFailed,
  PaymentCancelled,
  PaymentProcessed,
  PaymentRefunded,
  PaymentRefused,
  PaymentRequested,
} from '@acuse-services/contracts'
import { type Correlation, type OutgoingMessage, saga, type Saga, type SagaStep } from '@acuse/core'

/** Where an order stands on its way through the checkout. */
export interface Checkout {
  readonly orderId: string
  /**
   * `created`: waiting for stock. `reserved`: the stock is held, but the order itself has not come yet. `paying`: the
   * card is being charged. `confirmed`: paid, waiting for the stock to be handed over.
   */
  readonly stage: 'new' | 'created' | 'reserved' | 'paying' | 'confirmed'
  /** What to ask of Payments; `null` until the order has come. */
  readonly bill: Bill | null
  /** `null` until the card is charged. */
  readonly chargeId: string | null
}

export interface Bill {
  readonly amountCents: number
  readonly currency: string
  readonly paymentToken: string
}

export interface CheckoutOptions {
  /** How long the charging of a card may take, ms. */
  readonly paymentTimeoutMs: number
}

type Step = SagaStep<Checkout>

/** What the saga waits for to go on with its order. All of them are about one order. */
const ofOrder: Correlation<{ orderId: string }> = { id: ({ data }) => data.orderId }

/**
 * Two streams keep no order between them: Inventory's answer may be here before the order it answers. So a message may
 * begin the saga even if it is not the first of its order.
 */
const maybeFirst: Correlation<{ orderId: string }> = { ...ofOrder, starts: true }

/**
 * Takes an order from its creation to its completion, or to its cancellation. Every way to fail ends in one message,
 * `order.cancelled`: Inventory and Payments undo what they did by themselves when they see it. It is published behind
 * all that was asked of them before, on the same stream and key, so they see it last.
 */
export function checkout({ paymentTimeoutMs }: CheckoutOptions): Saga<Checkout> {
  /** The stock is held and the order is here. */
  const pay = (state: Checkout, bill: Bill): Step => {
    // Gifts cost nothing, and no gateway charges nothing.
    if (bill.amountCents === 0) return confirm({ ...state, bill })
    const { orderId } = state
    return {
      state: { ...state, bill, stage: 'paying' },
      publish: [PaymentRequested({ orderId, ...bill, timeoutMs: paymentTimeoutMs })],
      timeouts: { payment: paymentTimeoutMs },
    }
  }

  return (
    saga<Checkout>('checkout', (orderId) => ({ orderId, stage: 'new', bill: null, chargeId: null }))
      .on(OrderCreated, maybeFirst, (state, { data }) => {
        const { amountCents, currency, paymentToken } = data
        const bill = { amountCents, currency, paymentToken }
        if (state.stage === 'reserved') return pay(state, bill)
        // A repetition of what is under way changes nothing.
        return state.stage === 'new' ? { state: { ...state, stage: 'created', bill } } : nothing
      })
      .on(InventoryReserved, maybeFirst, (state) => {
        if (state.stage === 'new') return { state: { ...state, stage: 'reserved' } }
        return state.stage === 'created' && state.bill !== null ? pay(state, state.bill) : nothing
      })
      .on(InventoryOutOfStock, maybeFirst, (state) => cancel(state, 'out_of_stock'))
      .on(PaymentProcessed, ofOrder, (state, { data }) =>
        state.stage === 'paying' ? confirm({ ...state, chargeId: data.chargeId }) : nothing,
      )
      .on(PaymentRefused, ofOrder, ({ orderId, stage }, { data }) =>
        stage === 'paying'
          ? {
              publish: [OrderPaymentFailed({ orderId, reason: data.reason }), unpaid(orderId, 'payment_refused')],
              complete: true,
            }
          : nothing,
      )
      // Payments gave up on a charge that took too long: whatever there was of it is undone.
      .on(PaymentCancelled, ofOrder, gaveUp)
      .on(PaymentRefunded, ofOrder, gaveUp)
      .on(InventoryConfirmed, ofOrder, ({ orderId, stage }) =>
        stage === 'confirmed' ? { publish: [OrderCompleted({ orderId })], complete: true } : nothing,
      )
      .on(InventoryReleased, maybeFirst, (state, { data }) =>
        data.reason === 'expired' ? cancel(state, 'expired') : nothing,
      )
      .on(OrderCancelRequested, maybeFirst, (state) => cancel(state, 'customer'))
      .onTimeout('payment', (state) => cancel(state, 'payment_timeout'))
  )
}

const nothing: Step = {}

function confirm(state: Checkout): Step {
  return {
    state: { ...state, stage: 'confirmed' },
    publish: [OrderConfirmed({ orderId: state.orderId })],
    timeouts: { payment: null },
  }
}

function gaveUp({ orderId, stage }: Checkout): Step {
  return stage === 'paying' ? { publish: [unpaid(orderId, 'payment_timeout')], complete: true } : nothing
}

/** A cancellation after which Payments has nothing to undo. */
function unpaid(orderId: string, reason: CancelReason): OutgoingMessage {
  return OrderCancelled({ orderId, reason, payment: null })
}

/** Ends the order. What comes later finds the saga complete, and is ignored: a charge that still succeeds is refunded by Payments. */
function cancel({ orderId, stage, bill, chargeId }: Checkout, reason: CancelReason): Step {
  const asked = (stage === 'paying' || stage === 'confirmed') && bill !== null && bill.amountCents > 0
  const payment = asked ? { amountCents: bill.amountCents, chargeId } : null
  const publish: OutgoingMessage[] = [OrderCancelled({ orderId, reason, payment })]
  return { publish, complete: true }
}
