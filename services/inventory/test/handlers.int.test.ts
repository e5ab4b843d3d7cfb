import {
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReleased,
  InventoryReserved,
  OrderCancelled,
  OrderConfirmed,
  OrderCreated,
  StockDepleted,
  StockReplenished,
} from '@acuse-services/contracts'
import { type Bus, createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { Pool, PoolClient } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { openDatabase } from '../src/database.ts'
import { handleOrders } from '../src/handlers.ts'
import { listStock } from '../src/stock.ts'
import { databases } from './databases.ts'

const server = databases()

/** Inventory's handlers on a log of their own, which the tests publish to. Each test has orders and products of its own. */
interface World {
  readonly bus: Bus<PoolClient>
  readonly pool: Pool
  /** What Inventory said so far, in the order it came. */
  readonly said: readonly string[]
}

let usual: World
let hasty: World

beforeAll(async () => {
  usual = await start(60_000)
  hasty = await start(1_000)
})
afterAll(async () => {
  for (const { bus, pool } of [usual, hasty]) {
    await bus.stop()
    await pool.end()
  }
})

async function start(reservationMs: number): Promise<World> {
  const pool = await openDatabase(await server.url(`${reservationMs}`))
  const bus = createBus({ service: 'inventory', store: pg(pool), pollMs: 50 })
  handleOrders(bus, { reservationMs })
  const said: string[] = []
  const hear = ({ type, key }: { type: string; key: string | null }): void => {
    said.push(`${type.replace('inventory.', '')} ${key}`)
  }
  bus
    .group('listener', { concurrency: 1 })
    .on(InventoryReserved, hear)
    .on(InventoryOutOfStock, hear)
    .on(InventoryConfirmed, hear)
    .on(InventoryReleased, hear)
    .on(StockDepleted, hear)
    .on(StockReplenished, hear)
  await bus.start()
  return { bus, pool, said }
}

async function put(pieces: Record<string, number>, { pool } = usual): Promise<void> {
  for (const [sku, quantity] of Object.entries(pieces)) {
    await pool.query('insert into stock (sku, initial, available) values ($1, $2, $2)', [sku, quantity])
  }
}

/** Available, reserved and sold of these products. */
async function stock(skus: readonly string[], { pool } = usual): Promise<number[][]> {
  const rows = await listStock(pool)
  return skus.map((sku) =>
    rows.filter((row) => row.sku === sku).flatMap((row) => [row.available, row.reserved, row.sold]),
  )
}

/** Settles once Inventory has said all of these. */
async function says(messages: readonly string[], { said } = usual): Promise<void> {
  await expect.poll(() => said, { timeout: 20_000 }).toEqual(expect.arrayContaining([...messages]))
}

/** What Inventory has applied of an order, in its order. */
async function applied(orderId: string, { pool } = usual): Promise<string[]> {
  const { rows } = await pool.query<{ type: string }>(
    "select type from applied where grp = 'inventory' and key = $1 order by seq",
    [orderId],
  )
  return rows.map(({ type }) => type)
}

function order(orderId: string, ...lines: (readonly [sku: string, quantity: number])[]): OrderCreated {
  return {
    orderId,
    customerId: null,
    country: 'Spain',
    currency: 'EUR',
    paymentToken: 'tok_visa',
    amountCents: 100,
    lines: lines.map(([sku, quantity]) => ({ sku, quantity, unitPriceCents: 100 })),
  }
}

const cancelled = (orderId: string) => OrderCancelled({ orderId, reason: 'customer', payment: null })

/** Makes the database refuse to bring an order's reservation into a state, so many times. */
async function refuse(orderId: string, state: string, times: number): Promise<void> {
  await usual.pool.query(`
    create sequence refused_${orderId};
    create function refuse_${orderId}() returns trigger language plpgsql as $$
    begin
      -- A sequence is not rolled back with the transaction that failed.
      if nextval('refused_${orderId}') <= ${times} then raise exception 'not yet'; end if;
      return new;
    end $$;
    create trigger refuse_${orderId} before insert or update on reservations for each row
      when (new.order_id = '${orderId}' and new.state = '${state}') execute function refuse_${orderId}()`)
}

it('reserves, sells, and says when a product runs out', async () => {
  await put({ sell1: 10, sell2: 3 })
  await usual.bus.publishNow(OrderCreated(order('sell', ['sell1', 4], ['sell2', 3])))
  await says(['reserved sell', 'stock_depleted sell2'])
  expect(await stock(['sell1', 'sell2'])).toEqual([
    [6, 4, 0],
    [0, 3, 0],
  ])
  await usual.bus.publishNow(OrderConfirmed({ orderId: 'sell' }))
  await says(['confirmed sell'])
  expect(await stock(['sell1', 'sell2'])).toEqual([
    [6, 0, 4],
    [0, 0, 3],
  ])
  expect(await applied('sell')).toEqual(['order.created', 'order.confirmed'])
})

it('says what is missing, and holds nothing', async () => {
  await put({ miss1: 10 })
  await usual.bus.publishNow(OrderCreated(order('miss', ['miss1', 1], ['miss2', 1])))
  await says(['out_of_stock miss'])
  expect(await stock(['miss1'])).toEqual([[10, 0, 0]])
})

it('gives back what is cancelled, reserved or sold', async () => {
  await put({ back1: 2 })
  for (const orderId of ['back', 'again']) await usual.bus.publishNow(OrderCreated(order(orderId, ['back1', 1])))
  await says(['reserved back', 'reserved again', 'stock_depleted back1'])
  await usual.bus.publishNow(OrderConfirmed({ orderId: 'again' }))
  await usual.bus.publishNow(cancelled('again'))
  await says(['released again', 'stock_replenished back1'])
  await usual.bus.publishNow(cancelled('back'))
  await says(['released back'])
  expect(await stock(['back1'])).toEqual([[2, 0, 0]])
})

it('gives back a reservation whose time is over, and not one that was confirmed in time', async () => {
  const { bus, said } = hasty
  await put({ time1: 5 }, hasty)
  for (const orderId of ['late', 'paid']) await bus.publishNow(OrderCreated(order(orderId, ['time1', 1])))
  await bus.publishNow(OrderConfirmed({ orderId: 'paid' }))
  await says(['confirmed paid', 'released late'], hasty)
  expect(await stock(['time1'], hasty)).toEqual([[4, 0, 1]])
  await bus.publishNow(OrderConfirmed({ orderId: 'late' }))
  await expect
    .poll(() => applied('late', hasty), { timeout: 10_000 })
    .toEqual(['order.created', 'inventory.reservation_expired', 'order.confirmed'])
  await expect.poll(() => applied('paid', hasty), { timeout: 10_000 }).toContain('inventory.reservation_expired')
  expect(said).not.toContain('confirmed late')
  expect(said).not.toContain('released paid')
})

it('applies an event once that comes twice, under the same id and under another', async () => {
  await put({ twice1: 5 })
  const created = OrderCreated(order('twice', ['twice1', 2]))
  await usual.bus.publishNow(created, { id: 'the-event' })
  await usual.bus.publishNow(created, { id: 'the-event' })
  await usual.bus.publishNow(created)
  await usual.bus.publishNow(OrderConfirmed({ orderId: 'twice' }))
  await says(['confirmed twice'])
  expect(await stock(['twice1'])).toEqual([[3, 0, 2]])
  expect(await applied('twice')).toEqual(['order.created', 'order.created', 'order.confirmed'])
})

it('never handles a cancellation before the confirmation before it, though that fails twice', async () => {
  const { bus, said } = usual
  await put({ order1: 5, order2: 5 })
  await refuse('first', 'confirmed', 2)
  await bus.publishNow(OrderCreated(order('first', ['order1', 2])))
  await bus.publishNow(OrderConfirmed({ orderId: 'first' }))
  await bus.publishNow(cancelled('first'))
  await bus.publishNow(OrderCreated(order('other', ['order2', 1])))
  await says(['released first'])
  expect(said.filter((one) => one.endsWith(' first'))).toEqual(['reserved first', 'confirmed first', 'released first'])
  // Another order did not wait for it.
  expect(said.indexOf('reserved other')).toBeLessThan(said.indexOf('confirmed first'))
  expect(await applied('first')).toEqual(['order.created', 'order.confirmed', 'order.cancelled'])
  expect(await stock(['order1', 'order2'])).toEqual([
    [5, 0, 0],
    [4, 1, 0],
  ])
})

it('puts aside what fails every time, and applies it when it is replayed', async () => {
  const { bus } = usual
  await put({ dead1: 5 })
  await refuse('dead', 'reserved', 6)
  await bus.publishNow(OrderCreated(order('dead', ['dead1', 2])))
  await expect
    .poll(() => bus.deadLetters.list({ group: 'inventory' }), { timeout: 20_000 })
    .toMatchObject([
      { reason: 'attempts-exhausted', attempts: 6, error: { message: 'not yet' }, message: { key: 'dead' } },
    ])
  expect(await stock(['dead1'])).toEqual([[5, 0, 0]])
  await bus.deadLetters.replay({ group: 'inventory' })
  await says(['reserved dead'])
  expect(await stock(['dead1'])).toEqual([[3, 2, 0]])
})

it('reserves although the notice of it cannot be sent', async () => {
  const bell = 'bell\u0007'
  await put({ [bell]: 1 })
  // A key with a control character is refused, and the notice's key is the sku.
  await usual.bus.publishNow(OrderCreated(order('bell', [bell, 1])))
  await says(['reserved bell'])
  expect(await stock([bell])).toEqual([[0, 1, 0]])
  expect(usual.said.filter((one) => one.includes('bell'))).toEqual(['reserved bell'])
})
