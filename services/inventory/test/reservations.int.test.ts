import type { StockLine } from '@acuse-services/contracts'
import type { Pool, PoolClient } from 'pg'
import { expect, it } from 'vitest'

import { cancel, confirm, expire, reserve } from '../src/reservations.ts'
import { listStock, setInitial } from '../src/stock.ts'
import { databases } from './databases.ts'
import { openPool } from './open-pool.ts'

const server = databases()

async function within<R>(pool: Pool, work: (tx: PoolClient) => Promise<R>): Promise<R> {
  const tx = await pool.connect()
  try {
    await tx.query('begin')
    const result = await work(tx)
    await tx.query('commit')
    return result
  } catch (error) {
    await tx.query('rollback')
    throw error
  } finally {
    tx.release()
  }
}

async function stocked(stock: Record<string, number>): Promise<Pool> {
  const pool = await openPool(server)
  for (const [sku, quantity] of Object.entries(stock)) await within(pool, (tx) => setInitial(tx, sku, quantity))
  return pool
}

const hold = (pool: Pool, orderId: string, ...lines: StockLine[]) =>
  within(pool, (tx) => reserve(tx, orderId, lines, 60_000))
const stockOf = async (pool: Pool): Promise<string[]> =>
  (await listStock(pool)).map((row) => `${row.sku} ${row.available} ${row.reserved} ${row.sold}`)

it('holds all lines of an order, one product in two of them too', async () => {
  const pool = await stocked({ A: 10, B: 5 })
  const held = await hold(pool, 'o1', { sku: 'B', quantity: 5 }, { sku: 'A', quantity: 1 }, { sku: 'A', quantity: 2 })
  expect(held).toMatchObject({ outcome: 'reserved' })
  expect(held.outcome === 'reserved' && held.moved.toSorted((a, b) => a.sku.localeCompare(b.sku))).toEqual([
    { sku: 'A', available: 7, quantity: 3 },
    { sku: 'B', available: 0, quantity: 5 },
  ])
  expect(await stockOf(pool)).toEqual(['A 7 3 0', 'B 0 5 0'])
})

it('holds nothing when some of it is missing, and says what', async () => {
  const pool = await stocked({ A: 10, B: 5 })
  expect(
    await hold(pool, 'o1', { sku: 'A', quantity: 1 }, { sku: 'B', quantity: 6 }, { sku: 'C', quantity: 1 }),
  ).toEqual({
    outcome: 'missing',
    missing: [
      { sku: 'B', requested: 6, available: 5 },
      { sku: 'C', requested: 1, available: 0 },
    ],
  })
  expect(await stockOf(pool)).toEqual(['A 10 0 0', 'B 5 0 0'])
})

it('does once what it is asked twice', async () => {
  const pool = await stocked({ A: 10 })
  const line = { sku: 'A', quantity: 4 }
  await hold(pool, 'o1', line)
  expect(await hold(pool, 'o1', line)).toEqual({ outcome: 'over' })
  expect(await within(pool, (tx) => confirm(tx, 'o1'))).toBe(true)
  expect(await within(pool, (tx) => confirm(tx, 'o1'))).toBe(false)
  expect(await stockOf(pool)).toEqual(['A 6 0 4'])
  expect(await within(pool, (tx) => cancel(tx, 'o1'))).toEqual([{ sku: 'A', available: 10, quantity: 4 }])
  expect(await within(pool, (tx) => cancel(tx, 'o1'))).toBeUndefined()
  expect(await stockOf(pool)).toEqual(['A 10 0 0'])
})

it('gives back what expires, and leaves alone what was confirmed', async () => {
  const pool = await stocked({ A: 10 })
  await hold(pool, 'late', { sku: 'A', quantity: 4 })
  await hold(pool, 'paid', { sku: 'A', quantity: 1 })
  await within(pool, (tx) => confirm(tx, 'paid'))
  expect(await within(pool, (tx) => expire(tx, 'late'))).toHaveLength(1)
  expect(await within(pool, (tx) => expire(tx, 'paid'))).toBeUndefined()
  expect(await within(pool, (tx) => expire(tx, 'unknown'))).toBeUndefined()
  expect(await within(pool, (tx) => confirm(tx, 'late'))).toBe(false)
  expect(await stockOf(pool)).toEqual(['A 9 0 1'])
})

it('holds nothing for an order that was cancelled before', async () => {
  const pool = await stocked({ A: 10 })
  expect(await within(pool, (tx) => cancel(tx, 'o1'))).toBeUndefined()
  expect(await hold(pool, 'o1', { sku: 'A', quantity: 1 })).toEqual({ outcome: 'over' })
  expect(await stockOf(pool)).toEqual(['A 10 0 0'])
})

it('changes how many there are, and never below what is held', async () => {
  const pool = await stocked({ A: 10 })
  await hold(pool, 'o1', { sku: 'A', quantity: 4 })
  const set = (quantity: number) => within(pool, (tx) => setInitial(tx, 'A', quantity))
  expect(await set(4)).toMatchObject({ before: 6, stock: { initial: 4, available: 0, reserved: 4 } })
  expect(await set(3)).toBeUndefined()
  expect(await set(20)).toMatchObject({ before: 0, stock: { initial: 20, available: 16 } })
})

it('has no deadlock and no piece too many when orders want the same products in different order', async () => {
  const skus = ['A', 'B', 'C', 'D', 'E']
  const pool = await stocked(Object.fromEntries(skus.map((sku) => [sku, 30])))
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, async (_, order) => {
      const rotated = [...skus.slice(order % 5), ...skus.slice(0, order % 5)]
      const lines = (order % 2 === 0 ? rotated : rotated.toReversed()).map((sku) => ({ sku, quantity: 1 }))
      const { outcome } = await hold(pool, `o${order}`, ...lines)
      if (outcome === 'reserved' && order % 3 === 0) await within(pool, (tx) => cancel(tx, `o${order}`))
      if (outcome === 'reserved' && order % 3 === 1) await within(pool, (tx) => confirm(tx, `o${order}`))
      return outcome
    }),
  )
  const held = await pool.query<{ state: string; count: number }>(
    "select state, count(*)::int as count from reservations where state <> 'released' group by state order by state",
  )
  const counts = Object.fromEntries(held.rows.map(({ state, count }) => [state, count]))
  expect(outcomes).toContain('missing')
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(30)
  const { confirmed = 0, reserved = 0 } = counts
  expect(await stockOf(pool)).toEqual(skus.map((sku) => `${sku} ${30 - confirmed - reserved} ${reserved} ${confirmed}`))
})
