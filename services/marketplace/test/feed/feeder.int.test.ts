import { expect, test } from 'vitest'

import { feed } from '../../src/feed/feeder.ts'
import type { FeedOptions } from '../../src/feed/feeder.ts'
import type { PlaceAnswer } from '../../src/feed/place-order.ts'
import { orderIdOf, planOrder } from '../../src/feed/planned-order.ts'
import type { RejectedLine } from '../../src/input/order-input.ts'
import { cancellation, inputs, order } from './inputs.ts'
import { listen } from './listener.ts'
import type { Reply } from './listener.ts'

const accepted: Reply = { status: 202, body: { state: 'pending' } }

/** Feeds, and tells what was placed, rejected and not taken. */
async function feedAll(
  options: Pick<FeedOptions, 'inputs' | 'orders'> & Partial<FeedOptions>,
): Promise<{ placed: Map<string, PlaceAnswer>; rejected: RejectedLine[]; failed: string[] }> {
  const placed = new Map<string, PlaceAnswer>()
  const rejected: RejectedLine[] = []
  const failed: string[] = []
  await feed({
    seed: 1,
    concurrency: 4,
    ratePerSecond: null,
    signal: new AbortController().signal,
    onPlaced: async ({ invoice }, answer) => void placed.set(invoice, answer),
    onRejected: (line) => void rejected.push(line),
    onFailed: (what) => void failed.push(what),
    ...options,
  })
  return { placed, rejected, failed }
}

/** Orders that nobody cancels, so that the requests are those of the input alone. */
const kept = Array.from({ length: 200 }, (_, index) => order(index)).filter(
  (one) => planOrder(one, 1).cancelAfterMs === null,
)

test('an order is posted until it is answered, at the next address after each failure', async () => {
  const dead = await listen(() => 'drop')
  const ill = await listen((_request, _body, count) => (count === 1 ? { status: 503, body: {} } : accepted))
  const [one] = kept
  if (one === undefined) throw new Error('all of them were cancelled')
  const { placed, failed } = await feedAll({ inputs: inputs(one), orders: [dead.url, ill.url] })
  expect(placed).toEqual(new Map([[one.invoice, { accepted: true }]]))
  expect(failed).toEqual([])
  expect(dead.requests.length + ill.requests.length).toBeGreaterThanOrEqual(3)
  expect(new Set([...dead.requests, ...ill.requests])).toEqual(new Set(['POST /orders']))
})

test('a refusal is an answer, with its reason', async () => {
  const [first, second] = kept
  if (first === undefined || second === undefined) throw new Error('all of them were cancelled')
  const { url, requests } = await listen((_request, body) =>
    (body as { orderId: string }).orderId === orderIdOf(first.invoice)
      ? { status: 409, body: { reason: 'out_of_stock', missing: [] } }
      : { status: 402, body: { reason: 'payment_method_invalid' } },
  )
  const { placed } = await feedAll({ inputs: inputs(first, second), orders: [url] })
  expect(placed).toEqual(
    new Map([
      [first.invoice, { accepted: false, reason: 'out_of_stock' }],
      [second.invoice, { accepted: false, reason: 'payment_method_invalid' }],
    ]),
  )
  expect(requests).toHaveLength(2)
})

test('an order that Orders cannot take at all is told in a sentence, and the others go on', async () => {
  const [first, ...others] = kept.slice(0, 10)
  if (first === undefined) throw new Error('all of them were cancelled')
  const { url } = await listen((_request, body) =>
    (body as { orderId: string }).orderId === orderIdOf(first.invoice)
      ? { status: 400, body: { message: 'lines must not be empty' } }
      : accepted,
  )
  const { placed, failed } = await feedAll({ inputs: inputs(first, ...others), orders: [url] })
  expect(placed.size).toBe(9)
  expect(failed).toEqual([
    `order ${orderIdOf(first.invoice)} (invoice ${first.invoice}) could not be placed: Orders answered 400: {"message":"lines must not be empty"}`,
  ])
})

test("a cancellation of the input cancels the customer's last order, once", async () => {
  const { url, requests } = await listen(() => accepted)
  const first = { ...kept[0], invoice: '1', customerId: 'anna' } as (typeof kept)[number]
  const second = { ...first, invoice: '2' }
  const seed = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((candidate) =>
    [first, second].every((one) => planOrder(one, candidate).cancelAfterMs === null),
  )
  if (seed === undefined) throw new Error('all of them were cancelled')
  const all = inputs(
    first,
    second,
    cancellation('anna'),
    cancellation('anna'),
    cancellation('bert'),
    cancellation(null),
  )
  await feedAll({ inputs: all, orders: [url], seed })
  expect(requests.filter((request) => request !== 'POST /orders')).toEqual([`POST /orders/${orderIdOf('2')}/cancel`])
})

test('orders the seed cancels are cancelled after they were accepted, and only then', async () => {
  const all = Array.from({ length: 400 }, (_, index) => order(index))
  const cancelled = all.filter((one) => planOrder(one, 1).cancelAfterMs !== null)
  const refused = new Set(cancelled.slice(0, 2).map(({ invoice }) => orderIdOf(invoice)))
  const { url, requests } = await listen((request, body) =>
    request === 'POST /orders' && refused.has((body as { orderId: string }).orderId)
      ? { status: 409, body: { reason: 'out_of_stock' } }
      : accepted,
  )
  await feedAll({ inputs: inputs(...all), orders: [url] })
  const asked = requests.filter((request) => request !== 'POST /orders')
  expect(cancelled.length).toBeGreaterThan(4)
  expect(asked.toSorted()).toEqual(
    cancelled
      .slice(2)
      .map(({ invoice }) => `POST /orders/${orderIdOf(invoice)}/cancel`)
      .toSorted(),
  )
})

test('rejected lines are passed on, and the rate is kept', async () => {
  const { url } = await listen(() => accepted)
  const bad: RejectedLine = { kind: 'rejected', line: 7, invoice: null, reason: 'the line has 3 columns, not 8' }
  const startedAt = performance.now()
  const { placed, rejected } = await feedAll({
    inputs: inputs(bad, ...kept.slice(0, 11)),
    orders: [url],
    ratePerSecond: 50,
  })
  expect(rejected).toEqual([bad])
  expect(placed.size).toBe(11)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195)
})

test('an end that is asked for ends the feeding at once', async () => {
  const ending = new AbortController()
  const { url } = await listen(() => 'drop')
  const fed = feedAll({ inputs: inputs(...kept), orders: [url], signal: ending.signal })
  ending.abort(new Error('Ctrl-C'))
  await expect(fed).rejects.toThrow('Ctrl-C')
})
