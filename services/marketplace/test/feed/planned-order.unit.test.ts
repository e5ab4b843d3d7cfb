import { expect, test } from 'vitest'

import { goesThrough, orderIdOf, planOrder } from '../../src/feed/planned-order.ts'
import { planStock } from '../../src/feed/stock-plan.ts'
import { inputs, order } from './inputs.ts'

const many = Array.from({ length: 5_000 }, (_, index) => order(index))

test('an order is planned alike whenever it is planned, and its id is its invoice alone', () => {
  expect(planOrder(order(1), 3)).toEqual(planOrder(order(1), 3))
  expect(planOrder(order(1), 3).request.orderId).toBe(planOrder(order(1), 4).request.orderId)
  expect(orderIdOf('70001')).not.toBe(orderIdOf('70001/2'))
  const { request, totalCents } = planOrder(order(1), 3)
  expect(totalCents).toBe(2 * 250 + 2 * 1_000)
  expect(request.lines).toEqual([
    { sku: 'SKU-1', quantity: 2, unitPriceCents: 250 },
    { sku: 'SKU-1', quantity: 2, unitPriceCents: 1_000 },
  ])
})

test('most cards are good, some are not, and a few customers cancel at various times', () => {
  const plans = many.map((one) => planOrder(one, 1))
  const share = (token: string): number =>
    plans.filter(({ request }) => request.paymentToken.startsWith(token)).length / plans.length
  expect(share('tok_visa_')).toBeCloseTo(0.9, 1)
  expect(share('tok_refused_')).toBeCloseTo(0.05, 1)
  for (const rare of ['tok_lost_', 'tok_timeout_', 'tok_invalid_']) expect(share(rare)).toBeGreaterThan(0)
  const cancelled = plans.flatMap(({ cancelAfterMs }) => (cancelAfterMs === null ? [] : [cancelAfterMs]))
  expect(cancelled.length / plans.length).toBeCloseTo(0.03, 1)
  expect(new Set(cancelled).size).toBe(8)
})

test('the stock is what the orders need that go through, less a line of some', async () => {
  const { stock, orders } = await planStock(inputs(...many), 1)
  expect(orders).toBe(5_000)
  const through = many.filter((one) => goesThrough(planOrder(one, 1)))
  const wanted = through.flatMap(({ lines }) => lines).reduce((sum, { quantity }) => sum + quantity, 0)
  const put = [...stock.values()].reduce((sum, quantity) => sum + quantity, 0)
  expect(put / wanted).toBeGreaterThan(0.95)
  expect(put / wanted).toBeLessThan(0.99)
  expect([...stock.keys()].toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => `SKU-${index}`))
  expect(await planStock(inputs(...many), 1)).toEqual({ stock, orders })
})

test('a product that nobody gets is there, with nothing in stock', async () => {
  const refused = many.find((one) => planOrder(one, 1).request.paymentToken.startsWith('tok_refused'))
  if (refused === undefined) throw new Error('no card was refused')
  const { stock } = await planStock(inputs(refused), 1)
  expect([...stock.values()].every((quantity) => quantity === 0)).toBe(true)
  expect(stock.size).toBeGreaterThan(0)
})
