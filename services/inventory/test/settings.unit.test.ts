import { expect, it } from 'vitest'

import { settingsFrom } from '../src/settings.ts'

const needed = { DATABASE_URL: 'postgres://db/inventory', TRANSPORT_URL: 'postgres://db/bus' }

it('has a default for all but the two databases', () => {
  expect(settingsFrom(needed)).toEqual({
    port: 4002,
    host: '127.0.0.1',
    databaseUrl: 'postgres://db/inventory',
    transportUrl: 'postgres://db/bus',
    reservationMs: 900_000,
    leaseMs: 15_000,
    log: 'json',
  })
})

it('takes what the environment says', () => {
  expect(settingsFrom({ ...needed, PORT: '0', HOST: '0.0.0.0', RESERVATION_MS: '1500', LOG: 'quiet' })).toMatchObject({
    port: 0,
    host: '0.0.0.0',
    reservationMs: 1_500,
    log: 'quiet',
  })
})

it.each([
  [{ DATABASE_URL: '' }, 'DATABASE_URL is not set.'],
  [{ PORT: 'http' }, 'PORT is a whole number from 0, not http.'],
  [{ RESERVATION_MS: '-1' }, 'RESERVATION_MS is a whole number from 0, not -1.'],
  [{ LOG: 'loud' }, 'LOG is json or quiet, not loud.'],
])('refuses %j', (wrong, problem) => {
  expect(() => settingsFrom({ ...needed, ...wrong })).toThrow(problem)
})
