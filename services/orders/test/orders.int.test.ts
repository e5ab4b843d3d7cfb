import { once } from 'node:events'
import { createServer } from 'node:http'

import {
  cancelReasons,
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReserved,
  OrderConfirmed,
  OrderCreated,
  PaymentProcessed,
  PaymentRefused,
  PaymentRequested,
} from '@acuse-services/contracts'
import { createBus } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type Order, orderStates, type Stats } from '../src/order.ts'
import { type Service, startOrders } from '../src/service.ts'
import { databases } from './databases.ts'

const server = databases()

interface Answered<Body> {
  readonly status: number
  readonly body: Body
}

let orders: Service
let pool: Pool
const cleanUp: (() => Promise<unknown>)[] = []

/** Says of skus that begin with `none` that they are missing, and of tokens that begin with `bad` that they are no cards. */
async function startChecks(): Promise<string> {
  const answers = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const asked = JSON.parse(text) as { token?: string; lines?: { sku: string; quantity: number }[] }
      const missing = (asked.lines ?? [])
        .filter(({ sku }) => sku.startsWith('none'))
        .map(({ sku, quantity }) => ({ sku, requested: quantity, available: 0 }))
      const valid = asked.token?.startsWith('bad') !== true
      response.end(JSON.stringify(request.url === '/stock/check' ? { available: false, missing } : { valid }))
    })
  })
  await once(answers.listen(0, '127.0.0.1'), 'listening')
  cleanUp.push(async () => {
    answers.closeAllConnections()
    answers.close()
  })
  const address = answers.address()
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
}

/** The other two services, as far as Orders hears of them: by their messages. */
async function startOthers(transportUrl: string): Promise<void> {
  const others = new Pool({ connectionString: await server.url('others') })
  const bus = createBus({ service: 'others', store: pg(others), transport: postgres({ connection: transportUrl }) })
  bus
    .group('inventory', { concurrency: 2 })
    .on(OrderCreated, ({ data: { orderId, lines } }, { publish }) => {
      const gone = lines.filter(({ sku }) => sku.startsWith('gone'))
      if (gone.length === 0) return void publish(InventoryReserved({ orderId, expiresAt: '2026-03-02T08:15:00.000Z' }))
      const missing = gone.map(({ sku, quantity }) => ({ sku, requested: quantity, available: 0 }))
      return void publish(InventoryOutOfStock({ orderId, missing }))
    })
    .on(OrderConfirmed, ({ data: { orderId } }, { publish }) => void publish(InventoryConfirmed({ orderId })))
  bus
    .group('payments', { concurrency: 2 })
    .on(PaymentRequested, ({ data: { orderId, amountCents, currency, paymentToken } }, { publish }) => {
      if (paymentToken === 'tok_refused') publish(PaymentRefused({ orderId, reason: 'card_declined' }))
      if (paymentToken === 'tok_visa') {
        publish(PaymentProcessed({ orderId, chargeId: `ch_${orderId}`, amountCents, currency }))
      }
    })
  await bus.start()
  cleanUp.unshift(async () => {
    await bus.stop()
    await others.end()
  })
}

beforeAll(async () => {
  const databaseUrl = await server.url('orders')
  const transportUrl = await server.url('bus')
  const checksUrl = await startChecks()
  await startOthers(transportUrl)
  orders = await startOrders({
    port: 0,
    host: '127.0.0.1',
    databaseUrl,
    transportUrl,
    inventoryUrl: checksUrl,
    paymentsUrl: checksUrl,
    paymentTimeoutMs: 8_000,
    leaseMs: 3_000,
    log: 'quiet',
  })
  cleanUp.unshift(() => orders.stop())
  pool = new Pool({ connectionString: databaseUrl })
  cleanUp.unshift(() => pool.end())
})

afterAll(async () => {
  for (const one of cleanUp) await one()
})

async function send<Body>(method: string, path: string, body?: object): Promise<Answered<Body>> {
  const response = await fetch(orders.url + path, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Body }
}

const order = (orderId: string, changes: object = {}): object => ({
  orderId,
  customerId: 'c-1',
  country: 'United Kingdom',
  currency: 'GBP',
  paymentToken: 'tok_visa',
  lines: [{ sku: 'A', quantity: 6, unitPriceCents: 255 }],
  ...changes,
})
const place = (orderId: string, changes: object = {}) => send<object>('POST', '/orders', order(orderId, changes))
const find = async (orderId: string) => (await send<Order>('GET', `/orders/${encodeURIComponent(orderId)}`)).body
const expectOrder = (orderId: string, expected: Partial<Order>): Promise<void> =>
  expect.poll(() => find(orderId), { timeout: 30_000 }).toMatchObject(expected)

describe('an order', () => {
  it('is accepted, paid and completed', async () => {
    expect(await place('536365/2')).toEqual({ status: 202, body: { orderId: '536365/2', state: 'pending' } })
    await expectOrder('536365/2', { state: 'completed', reason: null, amountCents: 1_530, customerId: 'c-1' })
  })

  it('gets an id when it brings none, and needs no customer', async () => {
    const { status, body } = await send<{ orderId: string }>('POST', '/orders', {
      ...order(''),
      orderId: undefined,
      customerId: undefined,
    })
    expect(status).toBe(202)
    await expectOrder(body.orderId, { state: 'completed', customerId: null })
  })

  it.each([
    [
      'stock is gone by the time it is reserved',
      { lines: [{ sku: 'gone', quantity: 1, unitPriceCents: 1 }] },
      'out_of_stock',
    ],
    ['the card is refused', { paymentToken: 'tok_refused' }, 'payment_refused'],
    ['nobody answers for the card', { paymentToken: 'tok_silent' }, 'payment_timeout'],
  ])('is cancelled when %s', async (_, changes, reason) => {
    const orderId = `order-${reason}`
    await place(orderId, changes)
    await expectOrder(orderId, { state: 'cancelled', reason: reason as NonNullable<Order['reason']> })
  })

  it('is cancelled when its customer wants it to be, however often', async () => {
    await place('order-customer', { paymentToken: 'tok_silent' })
    await expectOrder('order-customer', { state: 'paying' })
    const asked = await Promise.all([1, 2].map(() => send('POST', '/orders/order-customer/cancel')))
    expect(asked.map(({ status }) => status)).toEqual([202, 202])
    await expectOrder('order-customer', { state: 'cancelled', reason: 'customer' })
    expect(await send('POST', '/orders/order-customer/cancel')).toEqual({
      status: 202,
      body: { orderId: 'order-customer', state: 'cancelled' },
    })
  })

  it('is not cancelled any more when it is completed', async () => {
    await place('order-late')
    await expectOrder('order-late', { state: 'completed' })
    expect(await send('POST', '/orders/order-late/cancel')).toEqual({
      status: 409,
      body: { reason: 'too_late', state: 'completed' },
    })
  })

  it('is one order, with one answer, however often and at once it is asked for', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => place('order-twice')))
    for (const answer of answers)
      expect(answer).toEqual({ status: 202, body: { orderId: 'order-twice', state: 'pending' } })
    await expectOrder('order-twice', { state: 'completed' })
    expect(await place('order-twice')).toEqual(answers[0])
    const { rows } = await pool.query(
      "select from applied where grp = 'saga.checkout' and type = 'order.created' and key = $1",
      ['order-twice'],
    )
    expect(rows).toHaveLength(1)
  })
})

describe('a request', () => {
  const noStock = { lines: [{ sku: 'none-1', quantity: 2, unitPriceCents: 100 }] }
  const missing = [{ sku: 'none-1', requested: 2, available: 0 }]

  it.each([
    ['stock that is missing', noStock, 409, { reason: 'out_of_stock', missing }],
    ['a card that is none', { paymentToken: 'bad' }, 402, { reason: 'payment_method_invalid' }],
  ])('with %s is refused, and the same again is refused the same', async (_, changes, status, body) => {
    // On a busy machine a check may miss its budget: the order is accepted then, and it needs another one to see it refused.
    let asked = 0
    const again = { timeout: 60_000, interval: 1_000 }
    await expect.poll(() => place(`refused-${status}-${(asked += 1)}`, changes), again).toEqual({ status, body })
    expect(await place(`refused-${status}-${asked}`)).toEqual({ status, body })
    expect((await send('GET', `/orders/refused-${status}-${asked}`)).status).toBe(404)
  })

  it.each([
    ['no lines', { lines: [] }],
    ['half a piece', { lines: [{ sku: 'A', quantity: 0.5, unitPriceCents: 1 }] }],
    ['a currency in words', { currency: 'pounds' }],
    ['an id no header can carry', { orderId: 'ü 1' }],
    ['something unheard of', { discount: 100 }],
  ])('with %s is not well formed', async (_, changes) => {
    expect(await place('order-bad', changes)).toMatchObject({ status: 400, body: { error: 'Bad Request' } })
  })

  it('for what there is not is answered so', async () => {
    expect((await send('GET', '/orders/nobody')).status).toBe(404)
    expect((await send('POST', '/orders/nobody/cancel')).status).toBe(404)
    expect((await send('GET', '/orders?state=lost')).status).toBe(400)
    expect((await send('GET', '/orders?limit=0')).status).toBe(400)
  })

  it('lists orders by state, the newest first', async () => {
    await place('listed')
    await expectOrder('listed', { state: 'completed' })
    const { body } = await send<Order[]>('GET', '/orders?state=completed&limit=2')
    expect(body).toHaveLength(2)
    expect(body[0]).toMatchObject({ orderId: 'listed', state: 'completed' })
    expect((await send<Order[]>('GET', '/orders')).body.length).toBeGreaterThan(5)
  })

  it('adds orders up', async () => {
    const stats = async (): Promise<Stats> => (await send<Stats>('GET', '/stats')).body
    await expect
      .poll(stats, { timeout: 30_000 })
      .toMatchObject({ byState: { pending: 0, reserved: 0, paying: 0, confirmed: 0 } })
    const { byState, byReason, centsByState } = await stats()
    const { body: all } = await send<Order[]>('GET', '/orders?limit=1000')
    for (const state of orderStates) {
      const inState = all.filter((one) => one.state === state)
      expect([byState[state], centsByState[state]]).toEqual([
        inState.length,
        inState.reduce((sum, { amountCents }) => sum + amountCents, 0),
      ])
    }
    for (const reason of cancelReasons) {
      expect(byReason[reason]).toBe(all.filter((one) => one.reason === reason).length)
    }
    expect(byReason).toMatchObject({ out_of_stock: 1, payment_refused: 1, customer: 1, expired: 0 })
  })

  it('is described, and tells how the service does', async () => {
    const { body } = await send<{ openapi: string; paths: object }>('GET', '/openapi.json')
    expect(body.openapi).toBe('3.1.0')
    expect(Object.keys(body.paths)).toEqual(['/orders', '/orders/{id}', '/orders/{id}/cancel', '/stats', '/health'])
    await expect.poll(async () => (await send('GET', '/health')).body).toMatchObject({ status: 'ok', connected: true })
  })
})

it('a second instance starts on the same tables, and stops', async () => {
  const second = await startOrders({
    port: 0,
    host: '127.0.0.1',
    databaseUrl: await server.url('orders'),
    transportUrl: await server.url('bus'),
    // Nobody listens there: orders are accepted all the same.
    inventoryUrl: 'http://127.0.0.1:9',
    paymentsUrl: 'http://127.0.0.1:9',
    paymentTimeoutMs: 8_000,
    leaseMs: 3_000,
    log: 'quiet',
  })
  const response = await fetch(`${second.url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order('order-unchecked')),
  })
  expect(response.status).toBe(202)
  await expectOrder('order-unchecked', { state: 'completed' })
  await second.stop()
})
