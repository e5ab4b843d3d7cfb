import {
  OrderCancelled,
  PaymentCancelled,
  PaymentProcessed,
  PaymentRefunded,
  PaymentRefused,
  PaymentRequested,
} from '@acuse-services/contracts'
import { type Bus, createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { Pool, PoolClient } from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'

import { findPayment, type Payment } from '../src/book.ts'
import { openDatabase } from '../src/database.ts'
import { createGateway } from '../src/gateway.ts'
import { handlePayments } from '../src/handlers.ts'
import { databases } from './databases.ts'
import { type GatewayProcess, type Ledger, startGateway } from './gateway-process.ts'

const server = databases()

/** Payments' handlers on a log of their own, which the tests publish to. Each test has orders of its own. */
let bus: Bus<PoolClient>
let pool: Pool
let gateway: GatewayProcess
const said: string[] = []

beforeAll(async () => {
  gateway = await startGateway()
  pool = await openDatabase(await server.url('payments'))
  bus = createBus({ service: 'payments', store: pg(pool), pollMs: 50 })
  handlePayments(bus, { gateway: createGateway({ url: gateway.url, timeoutMs: 300 }), breakerResetMs: 1_000 })
  const hear = ({ type, key }: { type: string; key: string | null }): void => {
    said.push(`${type.replace('payment.', '')} ${key}`)
  }
  bus
    .group('listener', { concurrency: 1 })
    .on(PaymentProcessed, hear)
    .on(PaymentRefused, hear)
    .on(PaymentRefunded, hear)
    .on(PaymentCancelled, hear)
  await bus.start()
})
afterEach(() => gateway.behave({}))
afterAll(async () => {
  await bus.stop()
  await pool.end()
  await gateway.kill()
})

const patience = { timeout: 20_000 }
const request = (orderId: string, paymentToken = 'tok_visa', timeoutMs = 60_000) =>
  PaymentRequested({ orderId, amountCents: 1_530, currency: 'EUR', paymentToken, timeoutMs })
const cancellation = (orderId: string, chargeId: string | null) =>
  OrderCancelled({ orderId, reason: 'customer', payment: { amountCents: 1_530, chargeId } })

/** Settles once Payments has said exactly this of an order. */
const says = (orderId: string, messages: readonly string[]): Promise<void> =>
  expect
    .poll(() => said.filter((one) => one.endsWith(` ${orderId}`)), patience)
    .toEqual(messages.map((message) => `${message} ${orderId}`))
const books = (orderId: string, payment: Partial<Payment>): Promise<void> =>
  expect.poll(() => findPayment(pool, orderId), patience).toMatchObject(payment)

/** What the gateway has of an order. */
async function entries(orderId: string): Promise<Pick<Ledger, 'charges' | 'refunds'>> {
  const { charges, refunds } = await gateway.ledger()
  const ofOrder = <Entry extends { orderId: string }>(all: readonly Entry[]): Entry[] =>
    all.filter((entry) => entry.orderId === orderId)
  return { charges: ofOrder(charges), refunds: ofOrder(refunds) }
}

async function applied(orderId: string): Promise<string[]> {
  const { rows } = await pool.query<{ what: string }>(
    `select grp || ' ' || type as what from applied where key = $1 order by seq`,
    [orderId],
  )
  return rows.map(({ what }) => what)
}

const breaker = async () => (await bus.state()).groups.find(({ group }) => group === 'payments')?.breaker

it('charges a card once, under the key of its order, and books it', async () => {
  await bus.publishNow(request('once'))
  await bus.publishNow(request('once'))
  await says('once', ['processed', 'processed'])
  await books('once', { state: 'charged', chargedCents: 1_530, refundedCents: 0 })
  expect(await entries('once')).toMatchObject({ charges: [{ key: 'charge-once', amountCents: 1_530 }], refunds: [] })
  await expect
    .poll(async () => (await applied('once')).toSorted())
    .toEqual([
      'payments order.payment_requested',
      'payments order.payment_requested',
      'payments.book payment.processed',
      'payments.book payment.processed',
    ])
})

it.each([
  ['tok_refused', 'card_declined'],
  ['tok_invalid', 'invalid_payment_method'],
])('takes no for an answer: %s', async (token, reason) => {
  await bus.publishNow(request(token, token))
  await says(token, ['refused'])
  await books(token, { state: 'refused', reason, chargedCents: 0 })
  expect((await entries(token)).charges).toEqual([])
})

it('charges once although the answer is lost', async () => {
  await bus.publishNow(request('lost', 'tok_lost'))
  await says('lost', ['processed'])
  expect((await entries('lost')).charges).toHaveLength(1)
})

it('gives back the charge that a cancellation names, once', async () => {
  await bus.publishNow(request('known'))
  await says('known', ['processed'])
  await books('known', { state: 'charged' })
  const chargeId = (await findPayment(pool, 'known'))?.chargeId ?? ''
  await bus.publishNow(cancellation('known', chargeId))
  await bus.publishNow(cancellation('known', chargeId))
  await says('known', ['processed', 'refunded', 'refunded'])
  await books('known', { state: 'refunded', chargedCents: 1_530, refundedCents: 1_530 })
  expect((await entries('known')).refunds).toMatchObject([{ key: 'refund-known', amountCents: 1_530 }])
})

it('gives back a charge of which Orders has not heard', async () => {
  await bus.publishNow(request('unheard'))
  await bus.publishNow(cancellation('unheard', null))
  await says('unheard', ['processed', 'refunded'])
  await books('unheard', { state: 'refunded', chargedCents: 1_530, refundedCents: 1_530 })
  expect((await entries('unheard')).refunds).toMatchObject([{ amountCents: 1_530 }])
})

it('never charges an order that was cancelled before', async () => {
  await bus.publishNow(cancellation('never', null))
  await says('never', ['cancelled'])
  await bus.publishNow(request('never'))
  await says('never', ['cancelled', 'cancelled'])
  await books('never', { state: 'cancelled', chargedCents: 0 })
  expect((await entries('never')).charges).toEqual([])
})

it('asks nothing of the gateway for an order of which no payment was asked', async () => {
  const before = await gateway.ledger()
  await bus.publishNow(OrderCancelled({ orderId: 'unasked', reason: 'out_of_stock', payment: null }))
  await expect.poll(() => applied('unasked'), patience).toEqual(['payments order.cancelled'])
  expect(await gateway.ledger()).toEqual(before)
  expect(await findPayment(pool, 'unasked')).toBeUndefined()
})

it('gives up on a charge that is never answered, and what waits behind it goes on', async () => {
  await bus.publishNow(request('silent', 'tok_timeout', 1_000))
  await bus.publishNow(cancellation('silent', null))
  await says('silent', ['cancelled', 'cancelled'])
  await books('silent', { state: 'cancelled' })
  expect((await entries('silent')).charges).toEqual([])
})

it('undoes a charge that was made too late, when its answer came too late as well', async () => {
  await gateway.behave({ slowRate: 1, slowMs: 800 })
  await bus.publishNow(request('late', 'tok_visa', 1_200))
  await says('late', ['refunded'])
  await books('late', { state: 'refunded', chargedCents: 1_530, refundedCents: 1_530 })
  const { charges, refunds } = await entries('late')
  expect([charges.length, refunds.length]).toEqual([1, 1])
})

it('leaves a gateway alone that is down, loses nothing meanwhile, and keeps the book', async () => {
  await gateway.behave({ outage: true })
  const orders = Array.from({ length: 12 }, (_, index) => `outage-${index}`)
  for (const orderId of orders) await bus.publishNow(request(orderId))
  await expect.poll(breaker, patience).toBe('open')
  await bus.publishNow(PaymentRefused({ orderId: 'meanwhile', reason: 'card_declined' }))
  await books('meanwhile', { state: 'refused' })
  await gateway.behave({})
  for (const orderId of orders) await says(orderId, ['processed'])
  await expect.poll(breaker).toBe('closed')
  for (const orderId of orders) await books(orderId, { state: 'charged' })
  const { charges, doubleCharges } = await gateway.ledger()
  expect(charges.filter(({ orderId }) => orderId.startsWith('outage-'))).toHaveLength(12)
  expect(doubleCharges).toEqual([])
  expect(await bus.deadLetters.list()).toEqual([])
})

it('charges once although nothing of the first attempts is committed after the charge', async () => {
  await pool.query(`
    create sequence refused;
    create function refuse() returns trigger language plpgsql as $$
    begin
      -- A sequence is not rolled back with the transaction that failed.
      if nextval('refused') <= 2 then raise exception 'not yet'; end if;
      return new;
    end $$;
    create trigger refuse before insert on applied for each row
      when (new.grp = 'payments' and new.key = 'rolled-back') execute function refuse()`)
  await bus.publishNow(request('rolled-back'))
  await expect.poll(async () => (await entries('rolled-back')).charges.length).toBe(1)
  await says('rolled-back', ['processed'])
  await books('rolled-back', { state: 'charged', chargedCents: 1_530 })
  expect((await entries('rolled-back')).charges).toMatchObject([{ key: 'charge-rolled-back' }])
  expect(await applied('rolled-back')).toEqual(['payments order.payment_requested', 'payments.book payment.processed'])
})

it('puts aside what the gateway calls nonsense', async () => {
  await bus.publishNow(cancellation('nonsense', 'ch_unknown'))
  await expect
    .poll(() => bus.deadLetters.list(), patience)
    .toMatchObject([{ group: 'payments', attempts: 6, error: { name: 'GatewayError' } }])
  expect(await breaker()).toBe('closed')
  expect((await entries('nonsense')).refunds).toEqual([])
})
