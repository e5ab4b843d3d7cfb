import { expect, test } from 'vitest'

import { gateway } from './client.ts'

test('a refund gives back a part, and then what is left', async () => {
  const client = await gateway()
  const { chargeId } = (await client.charge('key-1')).body
  const first = await client.refund('back-1', chargeId, 500)
  expect(first).toMatchObject({ status: 201, body: { chargeId, amountCents: 500, status: 'refunded' }, replay: false })
  expect(await client.refund('back-1', chargeId, 500)).toEqual({ ...first, replay: true })
  expect(await client.refund('back-2', chargeId)).toMatchObject({ status: 201, body: { amountCents: 1_499 } })
  expect(await client.ledger()).toMatchObject({
    charges: [{ refundedCents: 1_999 }],
    refunds: [
      { key: 'back-1', orderId: 'order-1', amountCents: 500 },
      { key: 'back-2', orderId: 'order-1', amountCents: 1_499 },
    ],
    totals: { refunds: 2, refundedCents: 1_999 },
  })
})

test('never more than was charged is given back, however many ask at once', async () => {
  const client = await gateway()
  const { chargeId } = (await client.charge('key-1')).body
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => client.refund(`back-${index}`, chargeId, 1_000)),
  )
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(
    answers.filter(({ status, body }) => status === 422 && body['error'] === 'refund_exceeds_charge'),
  ).toHaveLength(9)
  expect((await client.ledger()).totals.refundedCents).toBe(1_000)
})

test('a refund that cannot be made is not remembered', async () => {
  const client = await gateway()
  expect(await client.refund('back-1', 'ch_unknown')).toMatchObject({ status: 404, body: { error: 'unknown_charge' } })
  const { chargeId } = (await client.charge('key-1')).body
  expect(await client.refund('back-1', chargeId)).toMatchObject({ status: 201 })
})

test('the same key with another amount, or for a charge, is a conflict', async () => {
  const client = await gateway()
  const { chargeId } = (await client.charge('key-1')).body
  await client.refund('back-1', chargeId, 500)
  expect(await client.refund('back-1', chargeId, 600)).toMatchObject({ status: 409 })
  expect(await client.charge('back-1')).toMatchObject({ status: 409 })
  expect(await client.refund('key-1', chargeId)).toMatchObject({ status: 409 })
})

test('a charge cancelled by its key is refunded, once', async () => {
  const client = await gateway()
  const { chargeId } = (await client.charge('key-1')).body
  await client.refund('back-1', chargeId, 500)
  const answers = await Promise.all([client.cancel('key-1'), client.cancel('key-1')])
  expect(answers.map(({ body }) => body)).toEqual([
    { outcome: 'refunded', chargeId },
    { outcome: 'refunded', chargeId },
  ])
  expect((await client.cancel('key-1')).body).toEqual({ outcome: 'refunded', chargeId })
  expect((await client.ledger()).totals).toMatchObject({ chargedCents: 1_999, refunds: 2, refundedCents: 1_999 })
})

test('a charge cancelled before it came never happens', async () => {
  const client = await gateway()
  expect((await client.cancel('key-1')).body).toEqual({ outcome: 'not_charged' })
  expect(await client.charge('key-1')).toMatchObject({ status: 402, body: { status: 'refused', reason: 'cancelled' } })
  expect((await client.cancel('key-1')).body).toEqual({ outcome: 'not_charged' })
  expect((await client.ledger()).totals).toMatchObject({ charges: 0, cancellations: 1 })
})

test('a charge cancelled while it is being made is refunded', async () => {
  const client = await gateway({ behaviour: { slowRate: 1, slowMs: 300 } })
  const [charged, cancelled] = await Promise.all([
    client.charge('key-1'),
    client.underWay(1).then(() => client.cancel('key-1')),
  ])
  expect(charged.status).toBe(201)
  expect(cancelled.body).toMatchObject({ outcome: 'refunded' })
  expect((await client.ledger()).totals).toMatchObject({ chargedCents: 1_999, refundedCents: 1_999 })
})

test('a refused charge needs no refund', async () => {
  const client = await gateway()
  await client.charge('key-1', { paymentMethod: 'tok_refused' })
  expect((await client.cancel('key-1')).body).toEqual({ outcome: 'not_charged' })
})
