import { InventoryReserved, OrderCreated, StockReplenished } from '@acuse-services/contracts'
import { type Bus, createBus } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { type Service, startInventory } from '../src/service.ts'
import { databases } from './databases.ts'

const server = databases()

let instances: readonly Service[] = []
let customers: Bus<PoolClient>
let customersPool: Pool
const heard: string[] = []

beforeAll(async () => {
  const transportUrl = await server.url('bus')
  const settings = {
    port: 0,
    host: '127.0.0.1',
    databaseUrl: await server.url('inventory'),
    transportUrl,
    reservationMs: 60_000,
    leaseMs: 3_000,
    log: 'quiet',
  } as const
  instances = await Promise.all([startInventory(settings), startInventory(settings)])
  customersPool = new Pool({ connectionString: await server.url('customers') })
  customers = createBus({
    service: 'customers',
    store: pg(customersPool),
    transport: postgres({ connection: transportUrl }),
  })
  customers
    .group({ concurrency: 1 })
    .on(InventoryReserved, ({ data }) => void heard.push(`reserved ${data.orderId}`))
    .on(StockReplenished, ({ data }) => void heard.push(`replenished ${data.sku} ${data.available}`))
  await customers.start()
})

afterAll(async () => {
  await customers.stop()
  await customersPool.end()
  await Promise.all(instances.map((instance) => instance.stop()))
})

async function send(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const init = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(`${instances[0]?.url}${path}`, { method, ...(body === undefined ? {} : init) })
  return { status: response.status, body: await response.json() }
}

it('is told how much there is, and says what there is', async () => {
  expect(await send('PUT', '/stock/BANK%20CHARGES', { quantity: 10 })).toEqual({
    status: 200,
    body: { sku: 'BANK CHARGES', initial: 10, available: 10, reserved: 0, sold: 0 },
  })
  await expect.poll(() => heard, { timeout: 15_000 }).toContain('replenished BANK CHARGES 10')
  expect(await send('POST', '/stock/check', { lines: [{ sku: 'BANK CHARGES', quantity: 10 }] })).toEqual({
    status: 200,
    body: { available: true, missing: [] },
  })
  const lines = [6, 5].map((quantity) => ({ sku: 'BANK CHARGES', quantity }))
  expect(await send('POST', '/stock/check', { lines })).toEqual({
    status: 200,
    body: { available: false, missing: [{ sku: 'BANK CHARGES', requested: 11, available: 10 }] },
  })
})

it('reserves what is ordered over the bus', async () => {
  await send('PUT', '/stock/A', { quantity: 3 })
  await customers.publishNow(
    OrderCreated({
      orderId: 'o1',
      customerId: null,
      country: 'Spain',
      currency: 'EUR',
      paymentToken: 'tok_visa',
      amountCents: 200,
      lines: [{ sku: 'A', quantity: 2, unitPriceCents: 100 }],
    }),
  )
  await expect.poll(() => heard, { timeout: 15_000 }).toContain('reserved o1')
  expect((await send('GET', '/stock')).body).toContainEqual({
    sku: 'A',
    initial: 3,
    available: 1,
    reserved: 2,
    sold: 0,
  })
  expect(await send('PUT', '/stock/A', { quantity: 1 })).toMatchObject({
    status: 409,
    body: { error: 'less_than_held' },
  })
  expect((await send('GET', '/stats')).body).toMatchObject({
    skus: 2,
    initial: 13,
    available: 11,
    reserved: 2,
    sold: 0,
    reservations: { reserved: 1, confirmed: 0, released: 0 },
  })
})

it.each([
  ['PUT', '/stock/A', { quantity: -1 }],
  ['PUT', '/stock/A', { quantity: '5' }],
  ['POST', '/stock/check', { lines: [] }],
  ['POST', '/stock/check', { lines: [{ sku: 'A', quantity: 0 }] }],
])('refuses %s %s %j', async (method, path, body) => {
  expect((await send(method, path, body)).status).toBe(400)
})

it('is described, and tells how it does', async () => {
  const { body } = await send('GET', '/openapi.json')
  expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/stock/{sku}': {}, '/stock/check': {}, '/stats': {} } })
  await expect
    .poll(async () => (await send('GET', '/health')).body)
    .toEqual({ status: 'ok', connected: true, parked: 0 })
})

it('does not start where its database is not', async () => {
  const settings = { port: 0, host: '127.0.0.1', reservationMs: 1, leaseMs: 3_000, log: 'quiet' } as const
  const nowhere = 'postgres://127.0.0.1:9/nowhere'
  await expect(startInventory({ ...settings, databaseUrl: nowhere, transportUrl: nowhere })).rejects.toThrow(
    'ECONNREFUSED',
  )
})
