import { expect, it } from 'vitest'

import { settingsFrom } from '../src/settings.ts'

const needed = {
  DATABASE_URL: 'postgres://db/payments',
  TRANSPORT_URL: 'postgres://db/bus',
  GATEWAY_URL: 'http://gateway',
}

it('has a default for all but the two databases and the gateway', () => {
  expect(settingsFrom(needed)).toEqual({
    port: 4003,
    host: '127.0.0.1',
    databaseUrl: 'postgres://db/payments',
    transportUrl: 'postgres://db/bus',
    gatewayUrl: 'http://gateway',
    gatewayTimeoutMs: 5_000,
    breakerResetMs: 30_000,
    leaseMs: 15_000,
    log: 'json',
  })
})

it.each([
  [{ GATEWAY_URL: '' }, 'GATEWAY_URL is not set.'],
  [{ GATEWAY_TIMEOUT_MS: '1.5' }, 'GATEWAY_TIMEOUT_MS is a whole number from 0, not 1.5.'],
  [{ LOG: 'loud' }, 'LOG is json or quiet, not loud.'],
])('refuses %j', (wrong, problem) => {
  expect(() => settingsFrom({ ...needed, ...wrong })).toThrow(problem)
})
