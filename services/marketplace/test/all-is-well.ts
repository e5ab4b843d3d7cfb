import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect } from 'vitest'

import type { Summary } from '../src/index.ts'
import { answers } from './marketplace-process.ts'

/** Every order has come to an end, and all adds up. */
export function expectAllWell(summary: Summary, orders: number): void {
  expect(summary.problems).toEqual([])
  expect(summary).toMatchObject({
    ok: true,
    correctness: { lost: 0, duplicated: 0, outOfOrder: 0 },
    money: { doubleCharges: 0, balanced: true },
    stock: { reserved: 0, balanced: true },
    rejectedLines: 11,
  })
  const { total, open, ...ends } = summary.orders
  expect({ total, open }).toEqual({ total: orders, open: 0 })
  expect(Object.values(ends).reduce((sum, count) => sum + count, 0)).toBe(orders)
  expect(ends.confirmed).toBeGreaterThan(orders / 2)
  const { chargedCents, refundedCents, confirmedCents } = summary.money
  expect(chargedCents - refundedCents).toBe(confirmedCents)
  expect(summary.stock.available + summary.stock.sold).toBe(summary.stock.initial)
  expect(summary.stock.sold).toBeGreaterThan(0)
  expect(summary.messages.applied).toBeGreaterThan(summary.messages.published)
  expect(summary.latencyMs.count).toBeGreaterThan(summary.messages.published)
}

/** Nothing serves any more, and the database is down. */
export async function expectAllGone(summary: Pick<Summary, 'addresses'>, folder: string): Promise<void> {
  for (const url of Object.values(summary.addresses)) expect(await answers(url)).toBe(false)
  expect(existsSync(join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
}
