import {
  InventoryConfirmed,
  InventoryReserved,
  OrderCancelled,
  OrderCancelRequested,
  OrderCompleted,
  OrderConfirmed,
  OrderCreated,
  PaymentProcessed,
  PaymentRequested,
} from '@acuse-services/contracts'
import { testBus, type TestBus } from '@acuse/testing'
import { expect, it, onTestFinished } from 'vitest'

import { checkout } from '../src/checkout.ts'

const orderId = 'order-1'
const order: OrderCreated = {
  orderId,
  customerId: null,
  country: 'Spain',
  currency: 'EUR',
  paymentToken: 'tok_visa',
  amountCents: 1_530,
  lines: [{ sku: 'A', quantity: 6, unitPriceCents: 255 }],
}
const paid = PaymentProcessed({ orderId, chargeId: 'ch_1', amountCents: 1_530, currency: 'EUR' })

/** The checkout in memory, with an Inventory that always has what is asked for, and payments made by the test. */
async function shop(): Promise<TestBus> {
  const test = await testBus({
    service: 'orders',
    declare: (bus) => {
      bus.saga(checkout({ paymentTimeoutMs: 60_000 }), { from: 'earliest' })
      bus
        .group('inventory', { from: 'earliest' })
        .on(OrderCreated, ({ data }, { publish }) => {
          publish(InventoryReserved({ orderId: data.orderId, expiresAt: '2026-03-02T08:15:00.000Z' }))
        })
        .on(OrderConfirmed, ({ data }, { publish }) => {
          publish(InventoryConfirmed({ orderId: data.orderId }))
        })
    },
  })
  onTestFinished(() => test.stop())
  await test.bus.publishNow(OrderCreated(order))
  await test.settle()
  return test
}

it('waits for a payment for exactly as long as it was told', async () => {
  const test = await shop()
  expect(test.published(PaymentRequested)).toHaveLength(1)
  await test.advance({ seconds: 59, ms: 999 })
  expect(test.published(OrderCancelled)).toEqual([])
  await test.advance({ ms: 1 })
  expect(test.published(OrderCancelled)).toMatchObject([
    { data: { reason: 'payment_timeout', payment: { amountCents: 1_530, chargeId: null } } },
  ])
  await test.bus.publishNow(paid)
  await test.settle()
  expect(test.published(OrderConfirmed)).toEqual([])
})

it('forgets the timeout of an order that is paid', async () => {
  const test = await shop()
  await test.bus.publishNow(paid)
  await test.advance({ days: 1 })
  expect(test.published(OrderCompleted)).toHaveLength(1)
  expect(test.published(OrderCancelled)).toEqual([])
})

it('ends an order once when its payment and its cancellation come at the same moment', async () => {
  const test = await shop()
  await test.bus.transaction(async (_tx, publish) => {
    publish(OrderCancelRequested({ orderId }))
    publish(paid)
  })
  await test.settle()
  const ends = [...test.published(OrderCompleted), ...test.published(OrderCancelled)]
  expect(ends).toHaveLength(1)
  expect(await test.deadLetters()).toEqual([])
})

it('carries the flow of the order through everything it says', async () => {
  const test = await shop()
  await test.bus.publishNow(paid, { correlationId: test.published(OrderCreated)[0]?.correlationId ?? '' })
  await test.settle()
  expect(new Set(test.published().map(({ correlationId }) => correlationId)).size).toBe(1)
})
