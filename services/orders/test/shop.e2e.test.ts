import { OrderCreated } from '@acuse-services/contracts'
import { type Bus, createBus } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { databases } from './databases.ts'
import { audit, expectAllAddsUp, rest } from './reckoning.ts'
import { build, expectOrder, openShop, send, type Shop } from './shop.ts'

const server = databases()

beforeAll(() => build())

describe('the shop', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(server, 'main', { reservationMs: 600_000, paymentTimeoutMs: 15_000 })
    for (const [sku, quantity] of Object.entries({ A: 1_000, B: 5 })) await shop.stock(sku, quantity)
  })
  afterAll(() => shop[Symbol.asyncDispose]())

  it('refuses at once what is out of stock, and a token that is no card', async () => {
    const lines = [{ sku: 'none', quantity: 2, unitPriceCents: 500 }]
    // On a busy machine a check may miss its 100 or 200 ms; the order is accepted then, and cancelled later.
    let asked = 0
    const place = (changes: object) => () => shop.place(`refused-${(asked += 1)}`, changes)
    await expect.poll(place({ lines }), { timeout: 90_000, interval: 1_000 }).toEqual({
      status: 409,
      body: { reason: 'out_of_stock', missing: [{ sku: 'none', requested: 2, available: 0 }] },
    })
    await expect
      .poll(place({ paymentToken: 'tok_invalid' }), { timeout: 90_000, interval: 1_000 })
      .toEqual({ status: 402, body: { reason: 'payment_method_invalid' } })
    await shop.place('silent', { paymentToken: 'tok_timeout' })
  })

  it('sells', async () => {
    expect(await shop.place('happy')).toEqual({ status: 202, body: { orderId: 'happy', state: 'pending' } })
    await expectOrder(shop, 'happy', { state: 'completed', amountCents: 1_000 })
    expect(await shop.cancel('happy')).toMatchObject({ status: 409, body: { reason: 'too_late' } })
    expect(await shop.place('happy')).toEqual({ status: 202, body: { orderId: 'happy', state: 'pending' } })
  })

  it('sells no piece twice', async () => {
    const lines = [{ sku: 'B', quantity: 1, unitPriceCents: 500 }]
    const ids = Array.from({ length: 12 }, (_, index) => `rush-${index}`)
    const answers = await Promise.all(ids.map((id) => shop.place(id, { lines })))
    const accepted = ids.filter((_, index) => answers[index]?.status === 202)
    await expect
      .poll(async () => (await Promise.all(accepted.map((id) => shop.order(id)))).map(({ state }) => state), {
        timeout: 90_000,
      })
      .toSatisfy((states: string[]) => states.every((state) => state === 'completed' || state === 'cancelled'))
    const orders = await Promise.all(accepted.map((id) => shop.order(id)))
    expect(orders.filter(({ state }) => state === 'completed')).toHaveLength(5)
    for (const { state, reason } of orders) if (state === 'cancelled') expect(reason).toBe('out_of_stock')
  })

  it('cancels an order whose card is refused', async () => {
    await shop.place('refused', { paymentToken: 'tok_refused' })
    await expectOrder(shop, 'refused', { state: 'cancelled', reason: 'payment_refused' })
  })

  it('is paid once for an order whose first answer is lost', async () => {
    await shop.place('lost-answer', { paymentToken: 'tok_lost' })
    await expectOrder(shop, 'lost-answer', { state: 'completed' })
  })

  it('cancels an order that is not reserved yet', async () => {
    expect(await shop.inventory.end('SIGTERM')).toBe(0)
    await shop.place('early')
    expect(await shop.cancel('early')).toMatchObject({ status: 202 })
    await expectOrder(shop, 'early', { state: 'cancelled', reason: 'customer' })
    await shop.inventory.start()
  })

  it('cancels an order while its card is charged, and gives the money back', async () => {
    await shop.behave({ slowRate: 1, slowMs: 900 })
    await shop.place('paying')
    await expectOrder(shop, 'paying', { state: 'paying' })
    expect(await shop.cancel('paying')).toMatchObject({ status: 202 })
    await expectOrder(shop, 'paying', { state: 'cancelled', reason: 'customer' })
    await shop.behave({})
  })

  it('cancels an order that is paid and not handed over, and gives back money and stock', async () => {
    await shop.behave({ slowRate: 1, slowMs: 900 })
    await shop.place('paid')
    await expectOrder(shop, 'paid', { state: 'paying' })
    expect(await shop.inventory.end('SIGTERM')).toBe(0)
    await expectOrder(shop, 'paid', { state: 'confirmed' })
    expect(await shop.cancel('paid')).toMatchObject({ status: 202 })
    await expectOrder(shop, 'paid', { state: 'cancelled', reason: 'customer' })
    await shop.behave({})
    await shop.inventory.start()
  })

  it('applies a message once that is published twice', async () => {
    const { rows } = await shop.pools.bus.query<{ id: string; body: Buffer }>(
      "select id, body from acuse.log where type = 'order.created' and key = 'happy'",
    )
    const [created] = rows
    const pool = new Pool({ connectionString: await server.url('somebody') })
    const somebody = createBus({
      service: 'somebody',
      store: pg(pool),
      transport: postgres({ connection: await server.url('main bus') }),
    })
    await somebody.start()
    const data = JSON.parse(created?.body.toString() ?? '') as OrderCreated
    await somebody.publishNow(OrderCreated(data), { id: created?.id ?? '' })
    await expect
      .poll(async () => (await shop.pools.bus.query('select from acuse.log where id = $1', [created?.id])).rowCount, {
        timeout: 60_000,
      })
      .toBe(2)
    await somebody.stop()
    await pool.end()
  })

  it('puts aside what its database refuses, and applies it when it is replayed', async () => {
    await shop.pools.inventory.query(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$;
      create trigger refuse before insert on reservations for each row when (new.order_id = 'poison') execute function refuse()`)
    await shop.place('poison')
    // An operator's view of Inventory: the same store, and no group of its own.
    const pool = new Pool({ connectionString: await server.url('main inventory'), max: 2 })
    const desk = createBus({ service: 'operator', store: pg(pool) })
    await desk.start()
    await expect
      .poll(() => dead(desk), { timeout: 60_000 })
      .toEqual(['attempts-exhausted order.created poison: no room'])
    await shop.pools.inventory.query('drop trigger refuse on reservations')
    expect(await desk.deadLetters.replay({ group: 'inventory' })).toBe(1)
    await expectOrder(shop, 'poison', { state: 'completed' })
    await desk.stop()
    await pool.end()
  })

  it('leaves a gateway alone that is down, and is paid when it is back', async () => {
    await shop.behave({ outage: true })
    const ids = Array.from({ length: 8 }, (_, index) => `outage-${index}`)
    for (const id of ids) await shop.place(id)
    const breaker = async (): Promise<unknown> => (await send('GET', `${shop.payments.url}/health`)).body
    await expect.poll(breaker, { timeout: 30_000 }).toMatchObject({ gateway: 'open', status: 'degraded' })
    await shop.behave({})
    await expect
      .poll(async () => (await Promise.all(ids.map((id) => shop.order(id)))).map(({ state }) => state), {
        timeout: 90_000,
      })
      .toSatisfy((states: string[]) => states.every((state) => state === 'completed' || state === 'cancelled'))
    await expect.poll(breaker, { timeout: 30_000 }).toMatchObject({ gateway: 'closed', status: 'ok' })
    for (const id of ids) {
      const { state, reason } = await shop.order(id)
      // On a slow machine an order may have given up on its payment by then.
      if (state === 'cancelled') expect(reason).toBe('payment_timeout')
    }
  })

  it('charges once although Payments is killed while the gateway charges', async () => {
    await shop.behave({ slowRate: 1, slowMs: 2_000 })
    await shop.place('killed')
    await expect.poll(() => shop.charging(), { timeout: 60_000, interval: 20 }).toContain('killed')
    await shop.payments.end('SIGKILL')
    await expect
      .poll(async () => (await shop.ledger()).charges.some(({ orderId }) => orderId === 'killed'), { timeout: 10_000 })
      .toBe(true)
    await shop.behave({})
    await shop.payments.start()
    await expect
      .poll(async () => (await shop.order('killed')).state, { timeout: 90_000 })
      .toSatisfy((state: string) => state === 'completed' || state === 'cancelled')
  })

  it('cancels an order whose card is never answered for', async () => {
    await expectOrder(shop, 'silent', { state: 'cancelled', reason: 'payment_timeout' })
  })

  it('in the end has lost, doubled and disordered nothing, and everything adds up', async () => {
    await rest(shop)
    const { published, ...problems } = await audit(shop)
    expect(published).toBeGreaterThan(100)
    expect(problems).toEqual({ lost: [], duplicates: [], inversions: [] })
    await expectAllAddsUp(shop)
  })

  it('drains on SIGTERM', async () => {
    const codes = await Promise.all(
      [shop.orders, shop.inventory, shop.payments].map((service) => service.end('SIGTERM')),
    )
    expect(codes).toEqual([0, 0, 0])
  })
})

/** Inventory's dead letters, with the reason of each. */
async function dead(desk: Bus<PoolClient>): Promise<string[]> {
  const letters = await desk.deadLetters.list({ group: 'inventory' })
  return letters.map(({ reason, error, message }) => `${reason} ${message.type} ${message.key}: ${error.message}`)
}

describe('a shop that holds stock for a moment only', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(server, 'hasty', { reservationMs: 2_500, paymentTimeoutMs: 600_000 })
    await shop.stock('A', 10)
  })
  afterAll(() => shop[Symbol.asyncDispose]())

  it('cancels an order whose reservation expires while its card is charged', async () => {
    await shop.place('slow', { paymentToken: 'tok_timeout' })
    await expectOrder(shop, 'slow', { state: 'cancelled', reason: 'expired' })
  })

  it('cancels an order whose reservation expires after it was paid, and gives the money back', async () => {
    // The confirmation waits for its next attempt, and the expiry is there first: it is on another stream.
    await shop.pools.inventory.query(`
      create function refuse() returns trigger language plpgsql as $$
      begin
        if new.state = 'confirmed' then raise exception 'not now'; end if;
        return new;
      end $$;
      create trigger refuse before update on reservations for each row execute function refuse()`)
    await shop.place('paid-late')
    await expectOrder(shop, 'paid-late', { state: 'cancelled', reason: 'expired' })
    await shop.pools.inventory.query('drop trigger refuse on reservations')
  })

  it('in the end has everything back', async () => {
    const back = async (): Promise<unknown> => (await send('GET', `${shop.inventory.url}/stats`)).body
    await expect.poll(back, { timeout: 60_000 }).toMatchObject({ available: 10, reserved: 0, sold: 0 })
    const net = async (): Promise<number> => {
      const { chargedCents, refundedCents } = (await shop.ledger()).totals
      return chargedCents - refundedCents
    }
    await expect.poll(net, { timeout: 60_000 }).toBe(0)
  })
})
