import {
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReleased,
  InventoryReserved,
  OrderCancelRequested,
  OrderCreated,
  PaymentCancelled,
  PaymentProcessed,
  PaymentRefunded,
  PaymentRefused,
} from '@acuse-services/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkout } from '../src/checkout.ts'
import { type Cue, play } from './play.ts'

const orderId = 'order-1'
const created = OrderCreated({
  orderId,
  customerId: 'c-1',
  country: 'Spain',
  currency: 'EUR',
  paymentToken: 'tok_visa',
  amountCents: 1_530,
  lines: [{ sku: 'A', quantity: 6, unitPriceCents: 255 }],
})
const reserved = InventoryReserved({ orderId, expiresAt: '2026-03-02T08:15:00.000Z' })
const outOfStock = InventoryOutOfStock({ orderId, missing: [{ sku: 'A', requested: 6, available: 1 }] })
const handedOver = InventoryConfirmed({ orderId })
const expired = InventoryReleased({ orderId, reason: 'expired' })
const released = InventoryReleased({ orderId, reason: 'cancelled' })
const paid = PaymentProcessed({ orderId, chargeId: 'ch_1', amountCents: 1_530, currency: 'EUR' })
const refused = PaymentRefused({ orderId, reason: 'card_declined' })
const notCharged = PaymentCancelled({ orderId })
const refunded = PaymentRefunded({ orderId, chargeId: 'ch_1', amountCents: 1_530 })
const customerCancels = OrderCancelRequested({ orderId })
const paymentTimesOut = { timeout: 'payment' }

const requested = {
  'order.payment_requested': {
    orderId,
    amountCents: 1_530,
    currency: 'EUR',
    paymentToken: 'tok_visa',
    timeoutMs: 60_000,
  },
}
const confirmed = { 'order.confirmed': { orderId } }
const completed = { 'order.completed': { orderId } }
const failed = { 'order.payment_failed': { orderId, reason: 'card_declined' } }
const cancelled = (
  reason: string,
  payment: { amountCents: number; chargeId: string | null } | null = null,
): object => ({
  'order.cancelled': { orderId, reason, payment },
})
const asked = { amountCents: 1_530, chargeId: null }
const charged = { amountCents: 1_530, chargeId: 'ch_1' }

interface Case {
  readonly when: string
  readonly cues: readonly Cue[]
  readonly says: readonly object[]
}

/** Each ends the order, one way or the other. */
const endings: readonly Case[] = [
  { when: 'all goes well', cues: [created, reserved, paid, handedOver], says: [requested, confirmed, completed] },
  {
    when: "Inventory's answer is here before the order",
    cues: [reserved, created, paid, handedOver],
    says: [requested, confirmed, completed],
  },
  { when: 'stock is missing', cues: [created, outOfStock], says: [cancelled('out_of_stock')] },
  {
    when: 'stock is missing, and the order comes after that',
    cues: [outOfStock, created],
    says: [cancelled('out_of_stock')],
  },
  {
    when: 'the card is refused',
    cues: [created, reserved, refused],
    says: [requested, failed, cancelled('payment_refused')],
  },
  {
    when: 'nobody says whether the card was charged',
    cues: [created, reserved, paymentTimesOut],
    says: [requested, cancelled('payment_timeout', asked)],
  },
  {
    when: 'Payments gives up before the saga does, and the card was not charged',
    cues: [created, reserved, notCharged],
    says: [requested, cancelled('payment_timeout')],
  },
  {
    when: 'Payments gives up before the saga does, and the card has its money back',
    cues: [created, reserved, refunded],
    says: [requested, cancelled('payment_timeout')],
  },
  {
    when: 'the customer cancels before the stock is reserved',
    cues: [created, customerCancels],
    says: [cancelled('customer')],
  },
  {
    when: 'the customer cancels what is reserved, and the order is not here yet',
    cues: [reserved, customerCancels, created],
    says: [cancelled('customer')],
  },
  {
    when: 'the customer cancels while the card is charged',
    cues: [created, reserved, customerCancels],
    says: [requested, cancelled('customer', asked)],
  },
  {
    when: 'the customer cancels what is paid and not handed over',
    cues: [created, reserved, paid, customerCancels],
    says: [requested, confirmed, cancelled('customer', charged)],
  },
  {
    when: 'the customer cancels what is completed: too late',
    cues: [created, reserved, paid, handedOver, customerCancels],
    says: [requested, confirmed, completed],
  },
  {
    when: 'the reservation expires before the order is here',
    cues: [reserved, expired, created],
    says: [cancelled('expired')],
  },
  {
    when: 'the reservation expires while the card is charged',
    cues: [created, reserved, expired],
    says: [requested, cancelled('expired', asked)],
  },
  {
    when: 'the reservation expires after the card was charged',
    cues: [created, reserved, paid, expired],
    says: [requested, confirmed, cancelled('expired', charged)],
  },
  {
    when: 'an order that is cancelled is paid after all',
    cues: [created, reserved, paymentTimesOut, paid, refunded, released],
    says: [requested, cancelled('payment_timeout', asked)],
  },
  {
    when: 'the card is charged in time, and its timeout is late',
    cues: [created, reserved, paid, paymentTimesOut, handedOver],
    says: [requested, confirmed, completed],
  },
  {
    when: 'everything is said twice',
    cues: [created, created, reserved, reserved, paid, paid, handedOver, handedOver],
    says: [requested, confirmed, completed],
  },
  {
    when: 'it is cancelled twice',
    cues: [created, customerCancels, customerCancels, reserved, released],
    says: [cancelled('customer')],
  },
]

const run = (cues: readonly Cue[]) => play(checkout({ paymentTimeoutMs: 60_000 }), orderId, cues)
const said = ({ published }: ReturnType<typeof run>): object[] =>
  published.map(({ type, data }) => ({ [type.name]: data }))

describe('the checkout', () => {
  it.each(endings)('when $when', ({ cues, says }) => {
    const played = run(cues)
    expect(said(played)).toEqual(says)
    expect(played).toMatchObject({ complete: true, timeouts: {} })
  })

  it('waits for the payment for as long as it was told, and no longer once it is paid', () => {
    expect(run([created, reserved])).toMatchObject({ complete: false, timeouts: { payment: 60_000 } })
    expect(run([created, reserved, paid])).toMatchObject({ complete: false, timeouts: {} })
  })

  it('asks nothing of Payments for what costs nothing', () => {
    const gift = { ...created, data: { ...created.data, amountCents: 0 } }
    expect(said(run([gift, reserved, handedOver]))).toEqual([confirmed, completed])
    expect(said(run([gift, reserved, customerCancels]))).toEqual([confirmed, cancelled('customer')])
  })

  it('ignores answers to what it did not ask', () => {
    expect(run([paid])).toMatchObject({ state: undefined, published: [] })
    for (const stray of [paid, refused, notCharged, refunded, handedOver, released]) {
      expect(run([created, stray])).toMatchObject({ state: { stage: 'created' }, complete: false, published: [] })
    }
  })

  it('says of no order both that it is completed and that it is cancelled, in whatever order messages come', () => {
    const all = [created, reserved, outOfStock, paid, refused, notCharged, refunded, handedOver, expired, released]
    const cues = fc.array(fc.constantFrom<Cue>(...all, customerCancels, paymentTimesOut), { maxLength: 12 })
    fc.assert(
      fc.property(cues, (some) => {
        const names = run(some).published.map(({ type }) => type.name)
        const ends = names.filter((name) => name === 'order.completed' || name === 'order.cancelled')
        expect(ends.length).toBeLessThanOrEqual(1)
        expect(new Set(names).size).toBe(names.length)
        // Whoever completes an order that costs something has seen its payment.
        if (ends[0] === 'order.completed') expect(some).toContain(paid)
      }),
      { numRuns: 3_000 },
    )
  })
})
