import { cancelReasons, Cents, Currency, OrderId, OrderLine, Shortage } from '@acuse-services/contracts'
import { z } from 'zod'

import { type OrderRequest, orderStates } from './order.ts'

const State = z.enum(orderStates)
const Reason = z.enum(cancelReasons)
const Count = z.number().int().min(0)

const Request = z.strictObject({
  orderId: OrderId.optional().describe(
    'Made when left out. The same id again gives the same answer, and no second order',
  ),
  customerId: z.string().min(1).max(100).nullable().default(null).describe('Null for a guest'),
  country: z.string().min(1).max(60),
  currency: Currency,
  paymentToken: z.string().min(1).max(200),
  lines: z.array(OrderLine).min(1).max(2_000),
})

const Order = z.object({
  orderId: OrderId,
  state: State,
  reason: Reason.nullable().describe('Why it was cancelled'),
  customerId: z.string().nullable(),
  country: z.string(),
  currency: Currency,
  amountCents: Cents,
  lines: z.array(OrderLine),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
})

type Named =
  | 'request'
  | 'order'
  | 'orders'
  | 'accepted'
  | 'outOfStock'
  | 'methodInvalid'
  | 'tooLate'
  | 'problem'
  | 'stats'
  | 'health'

/** JSON Schemas of the HTTP interface, as `/openapi.json` shows them. */
export const schemas: Readonly<Record<Named, Record<string, unknown>>> = {
  request: json(Request, 'input'),
  order: json(Order),
  orders: json(z.array(Order)),
  accepted: json(z.object({ orderId: OrderId, state: State })),
  outOfStock: json(z.object({ reason: z.literal('out_of_stock'), missing: z.array(Shortage) })),
  methodInvalid: json(z.object({ reason: z.literal('payment_method_invalid') })),
  tooLate: json(z.object({ reason: z.literal('too_late'), state: State })),
  problem: json(z.object({ statusCode: Count, error: z.string(), message: z.string() })),
  stats: json(
    z.object({
      byState: z.record(State, Count),
      byReason: z.record(Reason, Count),
      centsByState: z.record(State, Cents),
    }),
  ),
  health: json(z.object({ status: z.enum(['ok', 'degraded']), connected: z.boolean(), parked: Count })),
}

/** Reads a request for an order. Gives text, saying what is wrong, where it is none. */
export function readRequest(body: unknown): OrderRequest | string {
  const { data, error } = Request.safeParse(body)
  return data ?? z.prettifyError(error)
}

function json(schema: z.ZodType, io: 'input' | 'output' = 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { target: 'draft-07', io })
  return rest
}
