import { expect, it } from 'vitest'

import { settingsFrom } from '../src/settings.ts'

const needed = {
  DATABASE_URL: 'postgres://db/orders',
  TRANSPORT_URL: 'postgres://db/bus',
  INVENTORY_URL: 'http://inventory',
  PAYMENTS_URL: 'http://payments',
}

it('has a default for all but the two databases and the other services', () => {
  expect(settingsFrom(needed)).toEqual({
    port: 4001,
    host: '127.0.0.1',
    databaseUrl: 'postgres://db/orders',
    transportUrl: 'postgres://db/bus',
    inventoryUrl: 'http://inventory',
    paymentsUrl: 'http://payments',
    paymentTimeoutMs: 60_000,
    leaseMs: 15_000,
    log: 'json',
  })
})

it.each([
  [{ INVENTORY_URL: '' }, 'INVENTORY_URL is not set.'],
  [{ PAYMENT_TIMEOUT_MS: 'soon' }, 'PAYMENT_TIMEOUT_MS is a whole number from 0, not soon.'],
  [{ LOG: 'loud' }, 'LOG is json or quiet, not loud.'],
])('refuses %j', (wrong, problem) => {
  expect(() => settingsFrom({ ...needed, ...wrong })).toThrow(problem)
})
