import type { FastifySchema } from 'fastify'

import { CANCEL_PREFIX } from './entry.ts'

/** JSON Schemas of the HTTP interface; requests are checked by them and `/openapi.json` shows them. */

const text = (maxLength: number): object => ({ type: 'string', minLength: 1, maxLength })
const cents = {
  type: 'integer',
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Hundredths of the currency',
}
const count = { type: 'integer' }
const rate = { type: 'number', minimum: 0, maximum: 1 }
const object = (properties: Record<string, object>, optional: readonly string[] = []): object => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
})
const error = (description: string): object => ({
  description,
  ...object({ error: text(64), message: { type: 'string' } }),
})

const idempotencyKey = {
  type: 'object',
  required: ['idempotency-key'],
  properties: {
    'idempotency-key': {
      type: 'string',
      pattern: `^(?!${CANCEL_PREFIX})[!-~]{1,200}$`,
      description: 'One per charge or refund; repeating a request with its key never has a second effect',
    },
  },
}

const common = {
  400: error('The request is not well formed, or has no Idempotency-Key'),
  409: error('The key was used with another request'),
  503: error('The processor is out of order'),
}
const refused = { description: 'Refused', ...object({ status: { const: 'refused' }, reason: text(64) }) }

export const chargeSchema: FastifySchema = {
  summary: 'Charge a card',
  headers: idempotencyKey,
  body: object({
    orderId: text(200),
    amountCents: cents,
    currency: { type: 'string', pattern: '^[A-Z]{3}$' },
    paymentMethod: text(200),
  }),
  response: {
    ...common,
    201: { description: 'Charged', ...object({ chargeId: text(64), status: { const: 'captured' } }) },
    402: refused,
  },
}

export const refundSchema: FastifySchema = {
  summary: 'Give back a charge, or part of it',
  headers: idempotencyKey,
  params: object({ id: text(64) }),
  body: object({ amountCents: { ...cents, description: 'Left out: all that is left of the charge' } }, ['amountCents']),
  response: {
    ...common,
    201: {
      description: 'Refunded',
      ...object({ refundId: text(64), chargeId: text(64), amountCents: cents, status: { const: 'refunded' } }),
    },
    402: refused,
    404: error('There is no such charge'),
    422: error('More than is left of the charge'),
  },
}

export const cancelSchema: FastifySchema = {
  summary: 'Undo a charge whose answer never came, and keep it from happening later',
  headers: idempotencyKey,
  response: {
    400: common[400],
    503: common[503],
    200: {
      description: 'The card is not charged, or was refunded',
      ...object({ outcome: { enum: ['refunded', 'not_charged'] }, chargeId: text(64) }, ['chargeId']),
    },
  },
}

export const paymentMethodSchema: FastifySchema = {
  summary: 'Check a payment method',
  params: object({ token: text(200) }),
  response: {
    200: object({ valid: { type: 'boolean' }, brand: { type: ['string', 'null'] } }),
    503: common[503],
  },
}

const entry = { key: text(220), orderId: text(200), chargeId: text(64), amountCents: cents, at: { type: 'string' } }

export const ledgerSchema: FastifySchema = {
  summary: 'Every charge and refund',
  response: {
    200: object({
      charges: {
        type: 'array',
        items: object({ ...entry, currency: { type: 'string' }, paymentMethod: text(200), refundedCents: count }),
      },
      refunds: { type: 'array', items: object({ ...entry, refundId: text(64) }) },
      totals: object({
        charges: count,
        chargedCents: count,
        refunds: count,
        refundedCents: count,
        refusals: count,
        cancellations: count,
      }),
      doubleCharges: {
        type: 'array',
        items: object({ orderId: text(200), chargeIds: { type: 'array', items: text(64) } }),
      },
    }),
  },
}

const behaviour = {
  refuseRate: rate,
  slowRate: rate,
  slowMs: { type: 'integer', minimum: 0, maximum: 60_000 },
  loseResponseRate: rate,
  outage: { type: 'boolean' },
  outageMs: { type: 'integer', minimum: 0, maximum: 3_600_000, description: '0: until told otherwise' },
}

export const behaviourSchema: FastifySchema = {
  summary: 'How the processor misbehaves now',
  response: { 200: object(behaviour) },
}

export const setBehaviourSchema: FastifySchema = {
  summary: 'Make the processor misbehave; what is left out is off',
  body: object(behaviour, Object.keys(behaviour)),
  response: { 200: object(behaviour), 400: common[400] },
}

export const healthSchema: FastifySchema = {
  summary: 'Whether the server is up, whatever it pretends to be',
  response: {
    200: object({
      status: { const: 'ok' },
      outage: { type: 'boolean' },
      underWay: { ...count, description: 'Payment requests without an answer yet' },
      charging: {
        type: 'array',
        items: { type: 'string' },
        description: 'Orders whose charge is being decided',
      },
    }),
  },
}
