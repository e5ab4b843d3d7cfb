import type { Database } from '../database/database.ts'
import { pounds } from '../display/numbers.ts'
import type { Summary } from '../display/summary-type.ts'
import { findNone } from './problems.ts'
import { FINAL_STATES } from './tables.ts'

interface MoneyRow {
  order_id: string
  key: string
  state: string
  charges: string
  charge_ids: string
  charged: string
  refunded: string
  due: string
  due_back: string
}

/** Whether the cards were charged what the completed orders cost, each once, and nothing else. */
export async function checkMoney(audit: Database): Promise<{ money: Summary['money']; problems: string[] }> {
  const [sums] = await audit.query<{ charged: string; refunded: string; confirmed: string }>(
    `select (select coalesce(sum(amount_cents), 0) from charge) as charged,
       (select coalesce(sum(amount_cents), 0) from refund) as refunded,
       (select coalesce(sum(p.total_cents), 0) from ordered o join placed p using (order_id) where o.state = 'completed')
         as confirmed`,
  )
  const chargedCents = Number(sums?.charged ?? 0)
  const refundedCents = Number(sums?.refunded ?? 0)
  const confirmedCents = Number(sums?.confirmed ?? 0)
  const twice = await findNone<MoneyRow>(
    audit,
    `select order_id, count(*) as charges, string_agg(charge_id, ', ' order by charge_id) as charge_ids
     from charge group by order_id having count(*) > 1 order by order_id`,
    ({ order_id: id, charges, charge_ids: ids }) => `order ${id} was charged ${charges} times (${ids})`,
    'orders charged more than once',
  )
  const findings = [
    twice,
    await findNone<MoneyRow>(
      audit,
      `select 'charge' as state, key, count(*) as charges from charge group by key having count(*) > 1
       union all select 'refund', key, count(*) from refund group by key having count(*) > 1 order by 2`,
      ({ state, key, charges }) => `the idempotency key ${key} led to ${charges} ${state}s`,
      'idempotency keys used more than once',
    ),
    await findNone<MoneyRow>(
      audit,
      // Gross: one charge per order is exactly its total.
      `select c.order_id, c.amount_cents as charged, p.total_cents as due
       from charge c left join placed p using (order_id)
       where p.order_id is null or c.amount_cents <> p.total_cents order by c.order_id`,
      ({ order_id: id, charged, due }) =>
        due === null
          ? `${pounds(Number(charged))} were charged for order ${id}, which nobody placed`
          : `order ${id} was charged ${pounds(Number(charged))}, and costs ${pounds(Number(due))}`,
      'charges of another amount than the order',
    ),
    await findNone<MoneyRow>(
      audit,
      // Net: what is left of it is the total of a completed order, and nothing of any other.
      `select * from (
         select p.order_id, coalesce(o.state, 'not accepted') as state,
           coalesce((select sum(amount_cents) from charge c where c.order_id = p.order_id), 0) as charged,
           coalesce((select sum(amount_cents) from refund r where r.order_id = p.order_id), 0) as refunded,
           case when o.state = 'completed' then p.total_cents else 0 end as due
         from placed p left join ordered o using (order_id)
         where o.state is null or o.state in ${FINAL_STATES}
       ) q where q.charged - q.refunded <> q.due order by q.order_id`,
      ({ order_id: id, state, charged, refunded, due }) =>
        `order ${id} is ${state}, so ${pounds(Number(due))} should be left of its charge, but ${pounds(Number(charged))} were charged and ${pounds(Number(refunded))} refunded`,
      'orders whose money does not add up',
    ),
    await findNone<MoneyRow>(
      audit,
      `select order_id, coalesce(b.charged_cents, 0) as charged, coalesce(b.refunded_cents, 0) as refunded,
         coalesce(g.charged, 0) as due, coalesce(g.refunded, 0) as due_back
       from (select order_id, sum(charged_cents) as charged_cents, sum(refunded_cents) as refunded_cents
         from booked group by order_id) b
       full join (select order_id, sum(charged) as charged, sum(refunded) as refunded from (
         select order_id, amount_cents as charged, 0 as refunded from charge
         union all select order_id, 0, amount_cents from refund) e group by order_id) g using (order_id)
       where coalesce(b.charged_cents, 0) <> coalesce(g.charged, 0)
         or coalesce(b.refunded_cents, 0) <> coalesce(g.refunded, 0) order by order_id`,
      ({ order_id: id, charged, refunded, due, due_back: back }) =>
        `order ${id}: the book of Payments has ${pounds(Number(charged))} charged and ${pounds(Number(refunded))} refunded, the gateway ${pounds(Number(due))} and ${pounds(Number(back))}`,
      'orders booked otherwise than charged',
    ),
  ]
  const problems = findings.flatMap((finding) => finding.problems)
  const net = chargedCents - refundedCents
  if (net !== confirmedCents) {
    problems.push(
      `${pounds(net)} are left of all charges after refunds, but the completed orders cost ${pounds(confirmedCents)}`,
    )
  }
  return {
    money: { chargedCents, refundedCents, confirmedCents, doubleCharges: twice.count, balanced: problems.length === 0 },
    problems,
  }
}
