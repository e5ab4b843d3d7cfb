import type { Database } from '../database/database.ts'
import type { Summary } from '../display/summary-type.ts'
import { findNone } from './problems.ts'
import { FINAL_STATES } from './tables.ts'

interface OrderRow {
  order_id: string
  invoice: string
  state: string
  reason: string | null
  total_cents: string
  placed_cents: string
}

/** Where the orders ended: every accepted one in a final state, as it was placed, and no other. */
export async function checkOrders(audit: Database): Promise<{ orders: Summary['orders']; problems: string[] }> {
  const [row] = await audit.query<Record<keyof Summary['orders'], string>>(
    `select (select count(*) from placed) as total, (select count(*) from placed where not accepted) as "rejectedBeforeOrder",
       count(*) filter (where state = 'completed') as confirmed,
       count(*) filter (where state = 'cancelled' and reason = 'out_of_stock') as "outOfStock",
       count(*) filter (where state = 'cancelled' and reason = 'payment_refused') as "paymentRefused",
       count(*) filter (where state = 'cancelled' and reason = 'payment_timeout') as "paymentTimedOut",
       count(*) filter (where state = 'cancelled' and reason = 'customer') as cancelled,
       count(*) filter (where state = 'cancelled' and reason = 'expired') as expired,
       count(*) filter (where state not in ${FINAL_STATES}) as open
     from ordered`,
  )
  if (row === undefined) throw new Error('the audit gave no counts of orders')
  const orders = Object.fromEntries(Object.entries(row).map(([name, count]) => [name, Number(count)]))
  const findings = [
    await findNone<OrderRow>(
      audit,
      `select p.order_id, p.invoice from placed p
       where p.accepted and not exists (select from ordered o where o.order_id = p.order_id) order by p.order_id`,
      ({ order_id: id, invoice }) => `order ${id} (invoice ${invoice}) was accepted, and Orders does not have it`,
      'accepted orders that are gone',
    ),
    await findNone<OrderRow>(
      audit,
      `select o.order_id, o.state from ordered o
       where not exists (select from placed p where p.order_id = o.order_id and p.accepted) order by o.order_id`,
      ({ order_id: id, state }) => `order ${id} (${state}) is in Orders although nobody was told that it was accepted`,
      'orders that were not accepted',
    ),
    await findNone<OrderRow>(
      audit,
      `select order_id, state from ordered where state not in ${FINAL_STATES} order by order_id`,
      ({ order_id: id, state }) => `order ${id} is still ${state}`,
      'orders without a final state',
    ),
    await findNone<OrderRow>(
      audit,
      `select order_id, reason from ordered where state = 'cancelled' and (reason is null or reason not in
         ('out_of_stock', 'payment_refused', 'payment_timeout', 'customer', 'expired')) order by order_id`,
      ({ order_id: id, reason }) => `order ${id} was cancelled for ${reason === null ? 'no reason' : `"${reason}"`}`,
      'orders cancelled for no known reason',
    ),
    await findNone<OrderRow>(
      audit,
      `select o.order_id, o.total_cents, p.total_cents as placed_cents from ordered o join placed p using (order_id)
       where o.total_cents <> p.total_cents order by o.order_id`,
      ({ order_id: id, total_cents: has, placed_cents: placed }) =>
        `order ${id} costs ${has} cents in Orders, and ${placed} where it was placed`,
      'orders with another total',
    ),
    await findNone<OrderRow>(
      audit,
      `select order_id from ordered group by order_id having count(*) > 1 order by order_id`,
      ({ order_id: id }) => `order ${id} is in Orders more than once`,
      'orders there more than once',
    ),
  ]
  return { orders: orders as Summary['orders'], problems: findings.flatMap(({ problems }) => problems) }
}
