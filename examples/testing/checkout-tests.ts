import { stream } from '@acuse/core'
import { testBus } from '@acuse/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  checkout,
  OrderCancelled,
  OrderConfirmed,
  OrderPlaced,
  PaymentReceived,
  PaymentRequested,
} from '../sagas/checkout.ts'

// #region pure
test('a reaction is a function: what it knows in, what is to happen out', () => {
  const onPaymentDue = checkout.timeouts.get('payment-due')
  expect(onPaymentDue?.({ reminded: true }, 'A-1')).toEqual({
    publish: [OrderCancelled({ orderId: 'A-1' })],
    complete: true,
  })
})
// #endregion

// #region saga
test('an order that is never paid is cancelled after thirty days, and reminded once', async () => {
  await using service = await testBus({ declare: (bus) => bus.saga(checkout) })
  await service.bus.publishNow(OrderPlaced({ orderId: 'A-1' }))

  await service.advance({ days: 29 })
  expect(service.published(PaymentRequested)).toHaveLength(2)
  expect(service.published(OrderCancelled)).toEqual([])

  await service.advance({ days: 1 })
  expect(service.published(OrderCancelled)).toMatchObject([{ key: 'A-1' }])
})

test('a payment in time confirms it, and the timeout never fires', async () => {
  await using service = await testBus({ declare: (bus) => bus.saga(checkout) })
  await service.bus.publishNow(OrderPlaced({ orderId: 'A-1' }))
  await service.advance({ days: 13 })
  await service.bus.publishNow(PaymentReceived({ orderId: 'A-1' }))
  await service.advance({ days: 60 })
  expect(service.published(OrderConfirmed)).toHaveLength(1)
  expect(service.published(OrderCancelled)).toEqual([])
})
// #endregion

// #region handler
const stock = stream('stock')
const StockMoved = stock.message('stock.moved', {
  schema: z.object({ sku: z.string(), by: z.int() }),
  key: (move) => move.sku,
})

test('a handler that fails twice leaves one effect, and its key waits for it', async () => {
  let failures = 2
  await using service = await testBus({
    declare: (bus) =>
      bus.group().on(StockMoved, ({ data }, { tx }) => {
        if (data.by === 5 && failures-- > 0) throw new Error('the warehouse does not answer')
        const table = tx.table<number>('stock')
        table.set(data.sku, (table.get(data.sku) ?? 0) * 10 + data.by)
      }),
  })
  await service.bus.publishNow(StockMoved({ sku: 'tea', by: 5 }))
  await service.bus.publishNow(StockMoved({ sku: 'tea', by: 7 }))
  await service.settle()
  expect(service.applied(StockMoved)).toEqual([])

  await service.advance({ minutes: 1 })
  expect(service.database.table('stock').get('tea')).toBe(57)
  expect(service.applied(StockMoved).map(({ attempts }) => attempts)).toEqual([3, 1])
})
// #endregion

// #region dead
test('what cannot be read becomes a dead letter', async () => {
  const strict = stream('stock').message('stock.moved', {
    schema: z.object({ sku: z.string(), by: z.int().positive() }),
  })
  await using service = await testBus({ declare: (bus) => bus.group().on(strict, () => {}) })
  await service.bus.publishNow(StockMoved({ sku: 'tea', by: -1 }))
  await service.settle()
  expect(await service.deadLetters()).toMatchObject([
    { reason: 'undecodable', error: { code: 'ACUSE_SCHEMA_MISMATCH' } },
  ])
})
// #endregion
