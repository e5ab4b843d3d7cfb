import { expect, test } from 'vitest'

import { CHARGE, gateway } from './client.ts'

test('a charge is captured and in the ledger', async () => {
  const client = await gateway()
  const answered = await client.charge('key-1')
  expect(answered).toEqual({
    status: 201,
    body: { chargeId: expect.stringMatching(/^ch_[0-9a-f]{24}$/), status: 'captured' },
    replay: false,
  })
  expect(await client.ledger()).toEqual({
    charges: [
      { ...CHARGE, chargeId: answered.body['chargeId'], key: 'key-1', refundedCents: 0, at: expect.any(String) },
    ],
    refunds: [],
    totals: { charges: 1, chargedCents: 1_999, refunds: 0, refundedCents: 0, refusals: 0, cancellations: 0 },
    doubleCharges: [],
  })
})

test('the same key with the same request is answered the same, and charged once', async () => {
  const client = await gateway()
  const first = await client.charge('key-1')
  expect(await client.charge('key-1')).toEqual({ ...first, replay: true })
  const refused = await client.charge('key-2', { paymentMethod: 'tok_refused_visa' })
  expect(refused).toEqual({ status: 402, body: { status: 'refused', reason: 'card_declined' }, replay: false })
  expect(await client.charge('key-2', { paymentMethod: 'tok_refused_visa' })).toEqual({ ...refused, replay: true })
  expect((await client.ledger()).totals).toMatchObject({ charges: 1, refusals: 1 })
})

test.each([{ amountCents: 2_000 }, { orderId: 'order-2' }, { currency: 'EUR' }, { paymentMethod: 'tok_amex' }])(
  'the same key with another request is a conflict: %o',
  async (changes) => {
    const client = await gateway()
    await client.charge('key-1')
    expect(await client.charge('key-1', changes)).toMatchObject({
      status: 409,
      body: { error: 'idempotency_key_reused' },
    })
    expect((await client.ledger()).totals.charges).toBe(1)
  },
)

test('fifty requests at once with one key charge once', async () => {
  const client = await gateway({ behaviour: { slowRate: 1, slowMs: 50 } })
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.charge('key-1')))
  expect(new Set(answers.map(({ body }) => body['chargeId'])).size).toBe(1)
  expect(answers.filter(({ replay }) => !replay)).toHaveLength(1)
  expect((await client.ledger()).charges).toHaveLength(1)
})

test('a conflict is seen while the first request is still being decided', async () => {
  const client = await gateway({ behaviour: { slowRate: 1, slowMs: 50 } })
  const answers = await Promise.all([client.charge('key-1'), client.charge('key-1', { amountCents: 1 })])
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409])
  expect((await client.ledger()).charges).toHaveLength(1)
})

test('two keys for one order charge twice, as they would outside, and the ledger says so', async () => {
  const client = await gateway()
  const answers = [await client.charge('key-1'), await client.charge('key-2')]
  const chargeIds = answers.map(({ body }) => body['chargeId'])
  expect((await client.ledger()).doubleCharges).toEqual([{ orderId: 'order-1', chargeIds }])
})

test.each([
  ['no amount', { amountCents: undefined }],
  ['nothing to pay', { amountCents: 0 }],
  ['half a cent', { amountCents: 10.5 }],
  ['an amount in quotes', { amountCents: '1999' }],
  ['no order', { orderId: '' }],
  ['a currency that is none', { currency: 'pounds' }],
  ['something nobody asked for', { tip: 5 }],
])('a request that is not well formed has no effect: %s', async (_, changes) => {
  const client = await gateway()
  expect(await client.charge('key-1', changes)).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  expect(await client.charge('key-1')).toMatchObject({ status: 201 })
})

test('a charge or refund without an Idempotency-Key, or with one that is reserved, is refused', async () => {
  const client = await gateway()
  for (const path of ['/charges', '/charges/ch_1/refunds', '/cancellations']) {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(path === '/charges' ? CHARGE : {}),
    }
    expect((await fetch(client.url + path, init)).status).toBe(400)
  }
  expect(await client.charge('cancel:key-1')).toMatchObject({ status: 400 })
})

test('a payment method can be checked', async () => {
  const client = await gateway()
  expect(await client.get('/payment-methods/tok_mastercard_17850')).toMatchObject({
    status: 200,
    body: { valid: true, brand: 'mastercard' },
  })
  expect(await client.get('/payment-methods/tok_refused_amex')).toMatchObject({ body: { valid: true, brand: 'amex' } })
  expect(await client.get('/payment-methods/tok_17850')).toMatchObject({
    body: { valid: true, brand: expect.any(String) },
  })
  expect(await client.get('/payment-methods/tok_invalid')).toMatchObject({ body: { valid: false, brand: null } })
  expect(await client.get('/payment-methods/4111111111111111')).toMatchObject({ body: { valid: false, brand: null } })
  expect(await client.charge('key-1', { paymentMethod: 'tok_invalid' })).toMatchObject({
    status: 402,
    body: { reason: 'invalid_payment_method' },
  })
})

test('the interface describes itself', async () => {
  const client = await gateway()
  const { body } = await client.get('/openapi.json')
  expect(body).toMatchObject({ openapi: '3.1.0', info: { title: 'Payment gateway' } })
  expect(Object.keys(body['paths'] as object).toSorted()).toEqual([
    '/behaviour',
    '/cancellations',
    '/charges',
    '/charges/{id}/refunds',
    '/health',
    '/ledger',
    '/payment-methods/{token}',
  ])
})
