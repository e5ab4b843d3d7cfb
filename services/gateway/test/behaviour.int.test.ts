import { describe, expect, test } from 'vitest'

import { startGateway } from '../src/start-gateway.ts'
import { CHARGE, clientOf, gateway, temporaryFolder } from './client.ts'
import type { Client } from './client.ts'

const KEYS = Array.from({ length: 200 }, (_, index) => `key-${index}`)

async function refusedKeys(client: Client): Promise<string[]> {
  const answers = await Promise.all(KEYS.map(async (key) => ({ key, ...(await client.charge(key)) })))
  return answers.filter(({ status }) => status === 402).map(({ key }) => key)
}

describe('the seed decides', () => {
  test('the same seed refuses the same keys, another seed others, a share of them all', async () => {
    const behaviour = { refuseRate: 0.3 }
    const refused = await refusedKeys(await gateway({ seed: 7, behaviour }))
    expect(refused.length / KEYS.length).toBeGreaterThan(0.2)
    expect(refused.length / KEYS.length).toBeLessThan(0.4)
    expect(await refusedKeys(await gateway({ seed: '7', behaviour }))).toEqual(refused)
    expect(await refusedKeys(await gateway({ seed: 8, behaviour }))).not.toEqual(refused)
  })

  test('a rate of 0 hits nobody and a rate of 1 everybody', async () => {
    expect(await refusedKeys(await gateway())).toEqual([])
    expect(await refusedKeys(await gateway({ behaviour: { refuseRate: 1 } }))).toEqual(KEYS)
  })
})

describe('a lost answer', () => {
  test('leaves the charge made, and a retry hears of it', async () => {
    const client = await gateway({ behaviour: { loseResponseRate: 1 } })
    await expect(client.charge('key-1')).rejects.toThrow('fetch failed')
    const { charges } = await client.ledger()
    expect(charges).toHaveLength(1)
    expect(await client.charge('key-1')).toMatchObject({
      status: 201,
      body: { chargeId: charges[0]?.chargeId },
      replay: true,
    })
    await expect(client.refund('back-1', charges[0]?.chargeId)).rejects.toThrow('fetch failed')
    expect(await client.refund('back-1', charges[0]?.chargeId)).toMatchObject({ status: 201, replay: true })
    expect((await client.ledger()).totals).toMatchObject({ charges: 1, refunds: 1 })
  })

  test('comes with tok_lost', async () => {
    const client = await gateway()
    await expect(client.charge('key-1', { paymentMethod: 'tok_lost_1' })).rejects.toThrow('fetch failed')
    expect(await client.charge('key-1', { paymentMethod: 'tok_lost_1' })).toMatchObject({ status: 201, replay: true })
    expect((await client.ledger()).charges).toHaveLength(1)
  })
})

describe('silence', () => {
  test('comes with tok_timeout, every time, and charges nothing', async () => {
    const client = await gateway()
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(client.charge('key-1', { paymentMethod: 'tok_timeout' }, AbortSignal.timeout(100))).rejects.toThrow(
        'timeout',
      )
    }
    expect((await client.ledger()).totals).toMatchObject({ charges: 0, refusals: 0 })
    expect((await client.cancel('key-1')).body).toEqual({ outcome: 'not_charged' })
    expect(await client.charge('key-1', { paymentMethod: 'tok_timeout' })).toMatchObject({ status: 402 })
  })

  test('ends when the gateway closes', async () => {
    const started = await startGateway({ port: 0, seed: 1, journal: `${await temporaryFolder()}/journal.jsonl` })
    const client = clientOf(started.url)
    const charging = client.charge('key-1', { paymentMethod: 'tok_timeout' })
    await client.underWay(1)
    await Promise.all([expect(charging).rejects.toThrow('fetch failed'), started.close()])
  })
})

describe('slowness', () => {
  test('delays the answer', async () => {
    const client = await gateway({ behaviour: { slowRate: 1, slowMs: 150 } })
    const begun = performance.now()
    await client.charge('key-1')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(145)
    await client.get('/payment-methods/tok_visa')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(290)
  })

  test('charges although the client gave up, and its retry hears of it at once', async () => {
    const client = await gateway({ behaviour: { slowRate: 1, slowMs: 300 } })
    await expect(client.charge('key-1', {}, AbortSignal.timeout(50))).rejects.toThrow('timeout')
    expect((await client.ledger()).charges).toEqual([])
    expect(await client.charge('key-1')).toMatchObject({ status: 201, replay: true })
    expect((await client.ledger()).charges).toHaveLength(1)
  })

  test('is cut short when the gateway closes: what is under way is answered', async () => {
    const started = await startGateway({
      port: 0,
      seed: 1,
      journal: `${await temporaryFolder()}/journal.jsonl`,
      behaviour: { slowRate: 1, slowMs: 60_000 },
    })
    const client = clientOf(started.url)
    const charging = client.charge('key-1')
    await client.underWay(1)
    await started.close()
    expect(await charging).toMatchObject({ status: 201 })
  })
})

describe('an outage', () => {
  test('closes everything a shop uses and nothing else, until told otherwise', async () => {
    const client = await gateway()
    const { chargeId } = (await client.charge('key-1')).body
    await client.behave({ outage: true })
    const closed = [
      await client.charge('key-2'),
      await client.charge('key-1'),
      await client.refund('back-1', chargeId),
      await client.cancel('key-1'),
      await client.get('/payment-methods/tok_visa'),
    ]
    expect(closed.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503])
    expect(closed[0]?.body).toMatchObject({ error: 'outage' })
    expect((await client.get('/health')).body).toEqual({ status: 'ok', outage: true, underWay: 0, charging: [] })
    expect((await client.ledger()).totals).toMatchObject({ charges: 1, refunds: 0 })
    await client.behave({})
    expect(await client.charge('key-2')).toMatchObject({ status: 201, replay: false })
  })

  test('with an end says when, and ends by itself', async () => {
    const client = await gateway({ behaviour: { outage: true, outageMs: 1_200 } })
    const response = await fetch(`${client.url}/charges`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'key-1' },
      body: JSON.stringify(CHARGE),
    })
    expect(response.status).toBe(503)
    expect(['1', '2']).toContain(response.headers.get('retry-after'))
    await expect.poll(async () => (await client.charge('key-1')).status, { timeout: 5_000 }).toBe(201)
    expect((await client.get('/behaviour')).body).toMatchObject({ outage: false })
  })
})

test('the behaviour is checked, and what is left out is off', async () => {
  const client = await gateway()
  expect(await client.behave({ refuseRate: 1.5 })).toMatchObject({ status: 400 })
  expect(await client.behave({ slowMs: -1 })).toMatchObject({ status: 400 })
  await client.behave({ refuseRate: 1 })
  expect((await client.behave({ slowRate: 0.5, slowMs: 20 })).body).toEqual({
    refuseRate: 0,
    slowRate: 0.5,
    slowMs: 20,
    loseResponseRate: 0,
    outage: false,
    outageMs: 0,
  })
})
