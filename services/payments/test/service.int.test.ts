import { PaymentProcessed, PaymentRequested } from '@acuse-services/contracts'
import { createBus } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest'

import { type Service, startPayments } from '../src/service.ts'
import { databases } from './databases.ts'
import { type GatewayProcess, startGateway } from './gateway-process.ts'

const server = databases()

let gateway: GatewayProcess
let service: Service

beforeAll(async () => {
  gateway = await startGateway()
  service = await startPayments({
    port: 0,
    host: '127.0.0.1',
    databaseUrl: await server.url('payments'),
    transportUrl: await server.url('bus'),
    gatewayUrl: gateway.url,
    gatewayTimeoutMs: 500,
    breakerResetMs: 500,
    leaseMs: 3_000,
    log: 'quiet',
  })
})
afterEach(() => gateway.behave({}))
afterAll(async () => {
  await service.stop()
  await gateway.kill()
})

async function send(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const init = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(service.url + path, { method, ...(body === undefined ? {} : init) })
  return { status: response.status, body: await response.json() }
}

it('charges what is asked for over the bus, and shows it', async () => {
  const pool = new Pool({ connectionString: await server.url('customers') })
  const bus = createBus({
    service: 'customers',
    store: pg(pool),
    transport: postgres({ connection: await server.url('bus') }),
  })
  const heard: string[] = []
  bus.group({ concurrency: 1 }).on(PaymentProcessed, ({ data }) => void heard.push(data.orderId))
  await bus.start()
  onTestFinished(async () => {
    await bus.stop()
    await pool.end()
  })
  expect(await send('GET', '/payments/536365%2F2')).toMatchObject({ status: 404, body: { error: 'unknown_payment' } })
  const request = { amountCents: 1_530, currency: 'EUR', paymentToken: 'tok_visa', timeoutMs: 60_000 }
  await bus.publishNow(PaymentRequested({ orderId: '536365/2', ...request }))
  await expect.poll(() => heard, { timeout: 15_000 }).toEqual(['536365/2'])
  await expect
    .poll(() => send('GET', '/payments/536365%2F2'), { timeout: 15_000 })
    .toMatchObject({ status: 200, body: { state: 'charged', chargedCents: 1_530, refundedCents: 0 } })
  expect((await send('GET', '/stats')).body).toEqual({
    byState: { charged: 1, refused: 0, refunded: 0, cancelled: 0 },
    chargedCents: 1_530,
    refundedCents: 0,
  })
})

it('asks the gateway about a card, and says so when it does not answer in time', async () => {
  const check = (token: string) => send('POST', '/payment-methods/check', { token })
  expect(await check('tok_visa')).toEqual({ status: 200, body: { valid: true } })
  expect(await check('tok_invalid')).toEqual({ status: 200, body: { valid: false } })
  expect((await check('')).status).toBe(400)
  await gateway.behave({ outage: true })
  expect(await check('tok_visa')).toMatchObject({ status: 503, body: { error: 'gateway_down' } })
  await gateway.behave({ slowRate: 1, slowMs: 5_000 })
  expect(await check('tok_visa')).toMatchObject({ status: 503, body: { error: 'gateway_down' } })
})

it('is described, and tells how it does', async () => {
  const { body } = await send('GET', '/openapi.json')
  expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/payments/{orderId}': {}, '/payment-methods/check': {} } })
  await expect
    .poll(async () => (await send('GET', '/health')).body)
    .toEqual({ status: 'ok', connected: true, gateway: 'closed', parked: 0 })
})
