import type { AnyMessageType } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import * as contracts from '../src/index.ts'

const types = Object.values(contracts).filter(
  (exported): exported is typeof exported & AnyMessageType => typeof exported === 'function' && 'keyOf' in exported,
)

const orderId = '536365/2'
const sku = 'BANK CHARGES'
const line = { sku, quantity: 6, unitPriceCents: 255 }

/** One good message of each type, as it travels: changing it breaks whoever reads it. */
const examples: Record<string, { readonly data: object; readonly key: string }> = {
  'order.created': {
    data: {
      orderId,
      customerId: null,
      country: 'United Kingdom',
      currency: 'GBP',
      paymentToken: 'tok_visa',
      amountCents: 1_530,
      lines: [line],
    },
    key: orderId,
  },
  'order.payment_requested': {
    data: { orderId, amountCents: 1_530, currency: 'GBP', paymentToken: 'tok_visa', timeoutMs: 60_000 },
    key: orderId,
  },
  'order.confirmed': { data: { orderId }, key: orderId },
  'order.cancelled': {
    data: { orderId, reason: 'payment_timeout', payment: { amountCents: 1_530, chargeId: null } },
    key: orderId,
  },
  'order.completed': { data: { orderId }, key: orderId },
  'order.payment_failed': { data: { orderId, reason: 'card_declined' }, key: orderId },
  'order.cancel_requested': { data: { orderId }, key: orderId },
  'inventory.reserved': { data: { orderId, expiresAt: '2026-03-02T08:15:00.000Z' }, key: orderId },
  'inventory.out_of_stock': { data: { orderId, missing: [{ sku, requested: 6, available: 0 }] }, key: orderId },
  'inventory.confirmed': { data: { orderId }, key: orderId },
  'inventory.released': { data: { orderId, reason: 'expired' }, key: orderId },
  'inventory.reservation_expired': { data: { orderId }, key: orderId },
  'inventory.stock_depleted': { data: { sku }, key: sku },
  'inventory.stock_replenished': { data: { sku, available: 3 }, key: sku },
  'payment.processed': { data: { orderId, chargeId: 'ch_1', amountCents: 1_530, currency: 'GBP' }, key: orderId },
  'payment.refused': { data: { orderId, reason: 'card_declined' }, key: orderId },
  'payment.refunded': { data: { orderId, chargeId: 'ch_1', amountCents: 1_530 }, key: orderId },
  'payment.cancelled': { data: { orderId }, key: orderId },
}

const messagesOf = async (type: AnyMessageType, data: unknown): Promise<unknown> => {
  const { issues } = await type.schema['~standard'].validate(data)
  return issues?.map(({ message }) => message)
}

describe('the messages of the marketplace', () => {
  it('are these, each on the stream of the service that says it', () => {
    expect(types.map(({ name, stream, version }) => `${stream.name} ${name} ${version}`).toSorted()).toEqual(
      Object.keys(examples)
        .map((name) => {
          const [stream] = name.split('.')
          return `${stream === 'inventory' ? stream : `${stream}s`} ${name} 1`
        })
        .toSorted(),
    )
  })

  it.each(types.map((type) => [type.name, type] as const))(
    '%s takes its example and has its key',
    async (name, type) => {
      const { data, key } = examples[name] ?? { data: {}, key: '' }
      expect(await messagesOf(type, data)).toBeUndefined()
      expect(type.keyOf(data as never)).toBe(key)
    },
  )

  it.each(types.map((type) => [type.name, type] as const))(
    '%s refuses a message without its fields',
    async (_, type) => {
      expect(await messagesOf(type, {})).not.toBeUndefined()
    },
  )

  it.each(['', 'a b', 'ünï', 'x'.repeat(101), 'line\nbreak'])('no order has the id %j', async (bad) => {
    expect(await messagesOf(contracts.OrderConfirmed, { orderId: bad })).not.toBeUndefined()
  })

  it('no line has half a piece or a price below zero', async () => {
    const good = examples['order.created']?.data
    for (const wrong of [{ quantity: 0.5 }, { quantity: 0 }, { unitPriceCents: -1 }, { sku: '' }]) {
      expect(await messagesOf(contracts.OrderCreated, { ...good, lines: [{ ...line, ...wrong }] })).not.toBeUndefined()
    }
  })
})

it('what was applied is written with the client of the effect', async () => {
  const statements: unknown[][] = []
  const tx = { query: async (text: string, values: unknown[]) => void statements.push([text.split(' ', 3), values]) }
  const message = { id: 'm1', type: 'order.confirmed', stream: 'orders', key: orderId }
  await contracts.recordApplied(message as never, { group: 'inventory', tx, attempt: 1 })
  expect(statements).toEqual([
    [
      ['insert', 'into', 'applied'],
      ['inventory', 'm1', 'order.confirmed', 'orders', orderId],
    ],
  ])
})
