import type { PaymentProcessed, PaymentRefunded, PaymentRefused } from '@acuse-services/contracts'
import type { ClientBase, Pool } from 'pg'

export const paymentStates = ['charged', 'refused', 'refunded', 'cancelled'] as const
export type PaymentState = (typeof paymentStates)[number]

export interface Payment {
  readonly orderId: string
  readonly state: PaymentState
  readonly chargeId: string | null
  readonly chargedCents: number
  readonly refundedCents: number
  readonly reason: string | null
  readonly changedAt: Date
}

// Each of these can be written again, and after a later one: a dead letter may be replayed days after the refund it missed.

export async function bookCharge(tx: ClientBase, { orderId, chargeId, amountCents }: PaymentProcessed): Promise<void> {
  await tx.query(
    `insert into payments as p (order_id, state, charge_id, charged_cents) values ($1, 'charged', $2, $3)
     on conflict (order_id) do update set charge_id = $2, charged_cents = $3,
       state = case p.state when 'refunded' then 'refunded' else 'charged' end, changed_at = clock_timestamp()`,
    [orderId, chargeId, amountCents],
  )
}

export async function bookRefusal(tx: ClientBase, { orderId, reason }: PaymentRefused): Promise<void> {
  await tx.query(
    `insert into payments (order_id, state, reason) values ($1, 'refused', $2) on conflict (order_id) do nothing`,
    [orderId, reason],
  )
}

/** A charge is always given back as a whole. It may be one whose answer was never heard: then this is its only entry. */
export async function bookRefund(tx: ClientBase, { orderId, chargeId, amountCents }: PaymentRefunded): Promise<void> {
  await tx.query(
    `insert into payments (order_id, state, charge_id, charged_cents, refunded_cents)
     values ($1, 'refunded', $2, $3, $3)
     on conflict (order_id) do update set state = 'refunded', charge_id = $2, charged_cents = $3, refunded_cents = $3,
       changed_at = clock_timestamp()`,
    [orderId, chargeId, amountCents],
  )
}

export async function bookCancellation(tx: ClientBase, orderId: string): Promise<void> {
  await tx.query(`insert into payments (order_id, state) values ($1, 'cancelled') on conflict (order_id) do nothing`, [
    orderId,
  ])
}

// Bigints come as text from pg; no amount is beyond what a number can hold.
export async function findPayment(db: Pool, orderId: string): Promise<Payment | undefined> {
  const { rows } = await db.query<Payment>(
    `select order_id as "orderId", state, charge_id as "chargeId", charged_cents::float8 as "chargedCents",
       refunded_cents::float8 as "refundedCents", reason, changed_at as "changedAt"
     from payments where order_id = $1`,
    [orderId],
  )
  return rows[0]
}

export interface Totals {
  readonly byState: Readonly<Record<PaymentState, number>>
  readonly chargedCents: number
  readonly refundedCents: number
}

export async function totals(db: Pool): Promise<Totals> {
  const { rows } = await db.query<{ state: PaymentState; count: number; charged: number; refunded: number }>(
    `select state, count(*)::int as count, sum(charged_cents)::float8 as charged, sum(refunded_cents)::float8 as refunded
     from payments group by state`,
  )
  const none = { charged: 0, refused: 0, refunded: 0, cancelled: 0 }
  return {
    byState: { ...none, ...Object.fromEntries(rows.map(({ state, count }) => [state, count])) },
    chargedCents: rows.reduce((sum, { charged }) => sum + charged, 0),
    refundedCents: rows.reduce((sum, { refunded }) => sum + refunded, 0),
  }
}
