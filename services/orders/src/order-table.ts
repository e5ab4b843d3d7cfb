import { type CancelReason, cancelReasons, type OrderCreated } from '@acuse-services/contracts'
import type { ClientBase, Pool } from 'pg'

import { type Answer, type Order, type OrderState, orderStates, type Stats } from './order.ts'

export async function findAnswer(db: Pool | ClientBase, orderId: string): Promise<Answer | undefined> {
  const { rows } = await db.query<Answer>('select status, body from answers where order_id = $1', [orderId])
  return rows[0]
}

/** Keeps an answer, unless there is one already. Whoever asks at the same moment waits until this transaction is over. */
export async function keepAnswer(tx: ClientBase, orderId: string, { status, body }: Answer): Promise<boolean> {
  const { rowCount } = await tx.query(
    'insert into answers (order_id, status, body) values ($1, $2, $3) on conflict (order_id) do nothing',
    [orderId, status, JSON.stringify(body)],
  )
  return rowCount === 1
}

export async function insertOrder(tx: ClientBase, order: OrderCreated): Promise<void> {
  const { orderId, customerId, country, currency, amountCents, lines } = order
  await tx.query(
    `insert into orders (order_id, state, customer_id, country, currency, amount_cents, lines)
     values ($1, 'pending', $2, $3, $4, $5, $6)`,
    [orderId, customerId, country, currency, amountCents, JSON.stringify(lines)],
  )
}

/** Moves an order on. One that is further already stays where it is: streams keep no order between them. */
export async function moveOn(
  tx: ClientBase,
  orderId: string,
  state: OrderState,
  reason: CancelReason | null = null,
): Promise<void> {
  const before = orderStates.slice(0, Math.min(orderStates.indexOf(state), orderStates.indexOf('completed')))
  await tx.query(
    `update orders set state = $2, reason = $3, changed_at = clock_timestamp()
     where order_id = $1 and state = any($4)`,
    [orderId, state, reason, before],
  )
}

/** Notes that the customer wants an order cancelled. `first`: nobody has asked for it before. */
export async function noteCancelRequest(
  tx: ClientBase,
  orderId: string,
): Promise<{ readonly state: OrderState; readonly first: boolean } | undefined> {
  const { rows } = await tx.query<{ state: OrderState; first: boolean }>(
    `select state, cancel_requested_at is null as first from orders where order_id = $1 for update`,
    [orderId],
  )
  await tx.query(
    'update orders set cancel_requested_at = clock_timestamp() where order_id = $1 and cancel_requested_at is null',
    [orderId],
  )
  return rows[0]
}

// Bigints come as text from pg; no amount is beyond what a number can hold.
const columns = `order_id as "orderId", state, reason, customer_id as "customerId", country, currency,
  amount_cents::float8 as "amountCents", lines, created_at as "createdAt", changed_at as "changedAt"`

export async function findOrder(db: Pool, orderId: string): Promise<Order | undefined> {
  const { rows } = await db.query<Order>(`select ${columns} from orders where order_id = $1`, [orderId])
  return rows[0]
}

/** The newest first. */
export async function listOrders(db: Pool, states: readonly OrderState[], limit: number): Promise<Order[]> {
  const { rows } = await db.query<Order>(
    `select ${columns} from orders where state = any($1) order by created_at desc, order_id limit $2`,
    [states, limit],
  )
  return rows
}

export async function readStats(db: Pool): Promise<Stats> {
  const { rows } = await db.query<{ state: OrderState; reason: CancelReason | null; count: number; cents: number }>(
    `select state, reason, count(*)::int as count, sum(amount_cents)::float8 as cents from orders group by state, reason`,
  )
  const sum = (matching: typeof rows, of: 'count' | 'cents'): number =>
    matching.reduce((total, row) => total + row[of], 0)
  const inState = (state: OrderState): typeof rows => rows.filter((row) => row.state === state)
  return {
    byState: eachOf(orderStates, (state) => sum(inState(state), 'count')),
    byReason: eachOf(cancelReasons, (reason) =>
      sum(
        rows.filter((row) => row.reason === reason),
        'count',
      ),
    ),
    centsByState: eachOf(orderStates, (state) => sum(inState(state), 'cents')),
  }
}

function eachOf<Name extends string>(names: readonly Name[], valueOf: (name: Name) => number): Record<Name, number> {
  // The names are all there are of `Name`, so the record is whole.
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Name, number>
}
