import { expect, test } from 'vitest'

import type { OrderInput, PlacedOrder } from '../../src/input/order-input.ts'
import { repeatOrders } from '../../src/input/repeat-orders.ts'
import { rejected } from '../../src/input/rejected.ts'
import { collect } from './csv.ts'

const order = (invoice: string): PlacedOrder => ({
  kind: 'order',
  invoice,
  customerId: null,
  country: 'Spain',
  currency: 'GBP',
  placedAt: '2010-12-01T08:26:00.000Z',
  lines: [],
})
const cancellation = (invoice: string): OrderInput => ({
  kind: 'cancellation',
  invoice,
  customerId: null,
  country: 'Spain',
  askedAt: '2010-12-01T08:26:00.000Z',
  lines: [],
})

const repeated = async (inputs: OrderInput[], count: number): Promise<string[]> => {
  async function* source(): AsyncGenerator<OrderInput> {
    yield* inputs
  }
  const read = await collect(repeatOrders(source, count))
  return read.map((input) => (input.kind === 'rejected' ? input.reason : input.invoice))
}

test('gives exactly as many orders as asked for, each with an id of its own', async () => {
  const inputs = [order('1'), rejected(3, null, 'bad'), order('2'), cancellation('C1')]
  expect(await repeated(inputs, 5)).toEqual(['1', 'bad', '2', 'C1', '1/2', '2/2', 'C1/2', '1/3'])
})

test('stops early where fewer are asked for', async () => {
  expect(await repeated([order('1'), order('2')], 1)).toEqual(['1'])
  expect(await repeated([order('1')], 0)).toEqual([])
})

test('ends when the source has no order to give', async () => {
  expect(await repeated([cancellation('C1')], 3)).toEqual(['C1'])
})
