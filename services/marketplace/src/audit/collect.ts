import type { LedgerReport } from '@acuse-services/gateway'

import type { RunDatabases } from '../database/run-databases.ts'
import { copyRows, insertRows } from './copy-rows.ts'
import { RELAYED } from './relayed.ts'
import { SUBSCRIPTIONS } from './subscriptions.ts'

const SERVICES = ['orders', 'inventory', 'payments'] as const

const COMMITTED = `select l.pos, l.id, l.type, s.name as stream, l.key, l.at, ${RELAYED} as relayed
  from acuse.log l join acuse.stream s on s.id = l.part / 1024`

/** Brings what services and gateway have into the audit's tables. What was there of it before is replaced. */
export async function collect(databases: RunDatabases, ledger: LedgerReport): Promise<void> {
  const { audit, inventory, orders, payments } = databases
  await audit.query('truncate committed, applied, dead, parked, subscription, ordered, booked, charge, refund, stock')
  await insertRows(
    audit,
    'subscription',
    SUBSCRIPTIONS.flatMap(({ service, grp, types }) => types.map((type) => ({ service, grp, type }))),
  )
  for (const service of SERVICES) {
    const from = databases[service]
    const named = `'${service}' as service`
    await copyRows(from, `select ${named}, m.* from (${COMMITTED}) m`, audit, 'committed')
    await copyRows(from, `select ${named}, a.* from applied a`, audit, 'applied')
    await copyRows(
      from,
      `select ${named}, g.name as grp, d.id, d.type, d.error->>'message' as error from acuse.dead_letter d
       join acuse.inbox_group g on g.id = d.grp where d.state in ('dead', 'replaying')`,
      audit,
      'dead',
    )
    // A timeout that is not due yet waits where it should.
    await copyRows(
      from,
      `select ${named}, g.name as grp, p.id, p.type, p.reason from acuse.parked p
       join acuse.inbox_group g on g.id = p.grp where not (p.reason = 'timeout' and p.due_at > clock_timestamp())`,
      audit,
      'parked',
    )
  }
  await copyRows(orders, ORDERED, audit, 'ordered')
  await copyRows(payments, 'select order_id, charged_cents, refunded_cents from payments', audit, 'booked')
  await copyRows(inventory, 'select sku, initial, available, reserved, sold from stock', audit, 'stock')
  await insertRows(
    audit,
    'charge',
    ledger.charges.map((charge) => ({
      charge_id: charge.chargeId,
      key: charge.key,
      order_id: charge.orderId,
      amount_cents: charge.amountCents,
    })),
  )
  await insertRows(
    audit,
    'refund',
    ledger.refunds.map((refund) => ({
      refund_id: refund.refundId,
      key: refund.key,
      charge_id: refund.chargeId,
      order_id: refund.orderId,
      amount_cents: refund.amountCents,
    })),
  )
  await audit.query('analyze')
}

const ORDERED = `select order_id, state, reason, amount_cents as total_cents from orders`
