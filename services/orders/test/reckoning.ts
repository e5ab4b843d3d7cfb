import { expect } from 'vitest'

import type { Stats } from '../src/order.ts'
import { type Ledger, send, type Shop } from './shop.ts'

/** Which group applies which types; a type that is not among a group's is none of its business. */
const subscriptions: Readonly<Record<string, readonly string[]>> = {
  orders: ['inventory.reserved', 'order.payment_requested', 'order.confirmed', 'order.completed', 'order.cancelled'],
  'saga.checkout': [
    'order.created',
    'order.cancel_requested',
    'inventory.reserved',
    'inventory.out_of_stock',
    'inventory.confirmed',
    'inventory.released',
    'payment.processed',
    'payment.refused',
    'payment.refunded',
    'payment.cancelled',
  ],
  inventory: ['order.created', 'order.confirmed', 'order.cancelled', 'inventory.reservation_expired'],
  payments: ['order.payment_requested', 'order.cancelled'],
  'payments.book': ['payment.processed', 'payment.refused', 'payment.refunded', 'payment.cancelled'],
}

export interface Audit {
  readonly published: number
  readonly lost: readonly string[]
  readonly duplicates: readonly string[]
  readonly inversions: readonly string[]
}

interface Published {
  readonly id: string
  readonly type: string
  readonly key: string
}

interface Applied {
  readonly grp: string
  readonly message_id: string
  readonly stream: string
  readonly key: string
}

/** What was lost, doubled and applied out of order, from what the databases have. */
export async function audit({ pools }: Shop): Promise<Audit> {
  const { rows: published } = await pools.bus.query<Published>('select id, type, key from acuse.log order by pos')
  const applied: Applied[] = []
  for (const pool of [pools.orders, pools.inventory, pools.payments]) {
    const { rows } = await pool.query<Applied>('select grp, message_id, stream, key from applied order by seq')
    applied.push(...rows)
  }
  const counts = new Map<string, number>()
  for (const { grp, message_id: id } of applied) counts.set(`${grp} ${id}`, (counts.get(`${grp} ${id}`) ?? 0) + 1)
  const position = new Map<string, number>()
  for (const [index, { id }] of published.entries()) if (!position.has(id)) position.set(id, index)
  const last = new Map<string, number>()
  const inversions: string[] = []
  for (const { grp, message_id: id, stream, key } of applied) {
    const at = position.get(id)
    if (at === undefined) continue
    const lane = `${grp} ${stream} ${key}`
    if (at < (last.get(lane) ?? -1)) inversions.push(`${lane} ${id}`)
    last.set(lane, at)
  }
  const expected = Object.entries(subscriptions).flatMap(([grp, types]) =>
    published
      .filter(({ type }) => types.includes(type))
      .map(({ id, type, key }) => ({ grp, id, what: `${grp} ${type} ${key}` })),
  )
  return {
    published: published.length,
    lost: expected.filter(({ grp, id }) => !counts.has(`${grp} ${id}`)).map(({ what }) => what),
    duplicates: [...counts].filter(([, count]) => count > 1).map(([what]) => what),
    inversions,
  }
}

/** Settles once nothing is under way any more. */
export async function rest(shop: Shop): Promise<void> {
  const open = async (): Promise<readonly unknown[]> => {
    const { rows } = await shop.pools.orders.query(
      "select order_id, state from orders where state not in ('completed', 'cancelled')",
    )
    const { lost } = await audit(shop)
    return [...rows, ...lost]
  }
  await expect.poll(open, { timeout: 90_000, interval: 250 }).toEqual([])
}

/** Charged less refunded is what completed orders cost, and every piece of stock is sold or for sale. */
export async function expectAllAddsUp(shop: Shop): Promise<void> {
  const stats = (await send('GET', `${shop.orders.url}/stats`)).body as Stats
  const ledger: Ledger = await shop.ledger()
  const { chargedCents, refundedCents } = ledger.totals
  expect(chargedCents - refundedCents).toBe(stats.centsByState.completed)
  expect(ledger.doubleCharges).toEqual([])
  expect((await send('GET', `${shop.payments.url}/stats`)).body).toMatchObject({ chargedCents, refundedCents })

  const { rows } = await shop.pools.orders.query<{ pieces: number }>(
    `select coalesce(sum((line->>'quantity')::int), 0)::int as pieces
     from orders, jsonb_array_elements(lines) line where state = 'completed'`,
  )
  const stock = (await send('GET', `${shop.inventory.url}/stats`)).body as Record<string, number>
  expect(stock).toMatchObject({ reserved: 0, sold: rows[0]?.pieces })
  expect((stock['available'] ?? 0) + (stock['sold'] ?? 0)).toBe(stock['initial'])
}
