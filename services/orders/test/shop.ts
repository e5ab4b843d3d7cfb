import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Pool } from 'pg'
import { expect } from 'vitest'

import type { Order } from '../src/order.ts'
import type { Databases } from './databases.ts'
import { type ServiceProcess, startService } from './service-process.ts'

export interface ShopOptions {
  readonly reservationMs: number
  readonly paymentTimeoutMs: number
}

/** Orders, Inventory, Payments and the gateway, each a process, on four databases of one server. */
export interface Shop extends AsyncDisposable {
  readonly orders: ServiceProcess
  readonly inventory: ServiceProcess
  readonly payments: ServiceProcess
  readonly pools: Readonly<Record<'orders' | 'inventory' | 'payments' | 'bus', Pool>>
  readonly behave: (behaviour: object) => Promise<void>
  readonly ledger: () => Promise<Ledger>
  /** Orders whose charge the gateway is deciding at this moment. */
  readonly charging: () => Promise<readonly string[]>
  readonly stock: (sku: string, quantity: number) => Promise<void>
  readonly place: (orderId: string, changes?: object) => Promise<{ status: number; body: unknown }>
  readonly cancel: (orderId: string) => Promise<{ status: number; body: unknown }>
  readonly order: (orderId: string) => Promise<Order>
}

export interface Ledger {
  readonly totals: { readonly chargedCents: number; readonly refundedCents: number }
  readonly charges: readonly { readonly orderId: string; readonly refundedCents: number }[]
  readonly doubleCharges: readonly unknown[]
}

/** Long enough for the lease of a killed process to run out twice on a busy machine. */
const patienceMs = 90_000

/** Compiles what runs as processes; where nothing has changed this takes a second. */
export function build(): void {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const services = ['gateway', 'inventory', 'orders', 'payments'].map((name) => join('services', name))
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-b', ...services], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the services do not compile: ${stdout}`)
}

export async function openShop(server: Databases, name: string, options: ShopOptions): Promise<Shop> {
  const folder = await mkdtemp(join(tmpdir(), 'shop-'))
  const urls = {
    orders: await server.url(`${name} orders`),
    inventory: await server.url(`${name} inventory`),
    payments: await server.url(`${name} payments`),
    bus: await server.url(`${name} bus`),
  }
  const databasesOf = (service: 'orders' | 'inventory' | 'payments'): Record<string, string> => ({
    DATABASE_URL: urls[service],
    TRANSPORT_URL: urls.bus,
  })
  const gateway = await startService('gateway', { JOURNAL: join(folder, 'journal.jsonl'), SEED: '11' })
  const [inventory, payments] = await Promise.all([
    startService('inventory', { ...databasesOf('inventory'), RESERVATION_MS: String(options.reservationMs) }),
    startService('payments', {
      ...databasesOf('payments'),
      GATEWAY_URL: gateway.url,
      GATEWAY_TIMEOUT_MS: '1000',
      BREAKER_RESET_MS: '1000',
    }),
  ])
  const orders = await startService('orders', {
    ...databasesOf('orders'),
    INVENTORY_URL: inventory.url,
    PAYMENTS_URL: payments.url,
    PAYMENT_TIMEOUT_MS: String(options.paymentTimeoutMs),
  })
  const pools = {
    orders: new Pool({ connectionString: urls.orders, max: 2 }),
    inventory: new Pool({ connectionString: urls.inventory, max: 2 }),
    payments: new Pool({ connectionString: urls.payments, max: 2 }),
    bus: new Pool({ connectionString: urls.bus, max: 2 }),
  }
  const order = async (orderId: string): Promise<Order> =>
    (await send('GET', `${orders.url}/orders/${orderId}`)).body as Order
  return {
    orders,
    inventory,
    payments,
    pools,
    order,
    async behave(behaviour) {
      await send('PUT', `${gateway.url}/behaviour`, behaviour)
    },
    ledger: async () => (await send('GET', `${gateway.url}/ledger`)).body as Ledger,
    charging: async () => ((await send('GET', `${gateway.url}/health`)).body as { charging: string[] }).charging,
    async stock(sku, quantity) {
      await send('PUT', `${inventory.url}/stock/${sku}`, { quantity })
    },
    place: (orderId, changes = {}) =>
      send('POST', `${orders.url}/orders`, {
        orderId,
        customerId: null,
        country: 'Spain',
        currency: 'EUR',
        paymentToken: 'tok_visa',
        lines: [{ sku: 'A', quantity: 1, unitPriceCents: 1_000 }],
        ...changes,
      }),
    cancel: (orderId) => send('POST', `${orders.url}/orders/${orderId}/cancel`),
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(pools).map((pool) => pool.end()))
      await Promise.all([orders, inventory, payments, gateway].map((service) => service.end('SIGKILL')))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Settles once an order is as expected. */
export async function expectOrder(shop: Shop, orderId: string, expected: Partial<Order>): Promise<void> {
  await expect.poll(() => shop.order(orderId), { timeout: patienceMs }).toMatchObject(expected)
}

export async function send(method: string, url: string, body?: object): Promise<{ status: number; body: unknown }> {
  const init = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(url, { method, ...(body === undefined ? {} : init) })
  return { status: response.status, body: await response.json() }
}
