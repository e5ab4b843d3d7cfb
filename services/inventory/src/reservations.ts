import type { Shortage, StockLine } from '@acuse-services/contracts'
import type { ClientBase } from 'pg'

import { lockStock, move, type Moved, type Place, quantities, shortages } from './stock.ts'

export type ReservationState = 'reserved' | 'confirmed' | 'released'

/** What became of an attempt to reserve. `over`: the order has a reservation, or had one. */
export type Reserved =
  | { readonly outcome: 'reserved'; readonly expiresAt: Date; readonly moved: readonly Moved[] }
  | { readonly outcome: 'missing'; readonly missing: readonly Shortage[] }
  | { readonly outcome: 'over' }

/** Holds all lines of an order for `reservationMs` of the database's clock, or nothing when some of it is missing. */
export async function reserve(
  tx: ClientBase,
  orderId: string,
  lines: readonly StockLine[],
  reservationMs: number,
): Promise<Reserved> {
  if ((await stateOf(tx, orderId)) !== undefined) return { outcome: 'over' }
  const wanted = quantities(lines)
  await lockStock(tx, [...wanted.keys()])
  const missing = await shortages(tx, wanted)
  if (missing.length > 0) return { outcome: 'missing', missing }
  const { rows } = await tx.query<{ expires_at: Date }>(
    `insert into reservations (order_id, state, expires_at)
     values ($1, 'reserved', clock_timestamp() + $2 * interval '1 millisecond') returning expires_at`,
    [orderId, reservationMs],
  )
  const [row] = rows
  if (row === undefined) throw new Error(`The reservation of order ${orderId} has no row.`)
  await tx.query(
    'insert into reservation_lines (order_id, sku, quantity) select $1, * from unnest($2::text[], $3::bigint[])',
    [orderId, [...wanted.keys()], [...wanted.values()]],
  )
  return { outcome: 'reserved', expiresAt: row.expires_at, moved: await move(tx, orderId, 'available', 'reserved') }
}

/** Sells what is reserved. Gives false when nothing is: the order was cancelled, or its time is over. */
export async function confirm(tx: ClientBase, orderId: string): Promise<boolean> {
  if ((await stateOf(tx, orderId)) !== 'reserved') return false
  await lockLines(tx, orderId)
  await move(tx, orderId, 'reserved', 'sold')
  await setState(tx, orderId, 'confirmed')
  return true
}

/** Gives back what is reserved and was not confirmed in its time. `undefined`: there is nothing to give back. */
export async function expire(tx: ClientBase, orderId: string): Promise<readonly Moved[] | undefined> {
  return (await stateOf(tx, orderId)) === 'reserved' ? giveBack(tx, orderId, 'reserved') : undefined
}

/** Gives back what is reserved or sold. `undefined`: there is nothing to give back, and never will be. */
export async function cancel(tx: ClientBase, orderId: string): Promise<readonly Moved[] | undefined> {
  const state = await stateOf(tx, orderId)
  if (state === 'reserved' || state === 'confirmed') return giveBack(tx, orderId, state === 'reserved' ? state : 'sold')
  if (state === undefined)
    await tx.query(`insert into reservations (order_id, state) values ($1, 'released')`, [orderId])
  return undefined
}

/** The state of an order's reservation, locked until the transaction ends: its expiry comes on another stream than its order. */
async function stateOf(tx: ClientBase, orderId: string): Promise<ReservationState | undefined> {
  const { rows } = await tx.query<{ state: ReservationState }>(
    'select state from reservations where order_id = $1 for update',
    [orderId],
  )
  return rows[0]?.state
}

async function giveBack(tx: ClientBase, orderId: string, from: Place): Promise<readonly Moved[]> {
  await lockLines(tx, orderId)
  const moved = await move(tx, orderId, from, 'available')
  await setState(tx, orderId, 'released')
  return moved
}

async function lockLines(tx: ClientBase, orderId: string): Promise<void> {
  const { rows } = await tx.query<{ sku: string }>('select sku from reservation_lines where order_id = $1', [orderId])
  await lockStock(
    tx,
    rows.map(({ sku }) => sku),
  )
}

async function setState(tx: ClientBase, orderId: string, state: ReservationState): Promise<void> {
  await tx.query('update reservations set state = $2, changed_at = clock_timestamp() where order_id = $1', [
    orderId,
    state,
  ])
}
