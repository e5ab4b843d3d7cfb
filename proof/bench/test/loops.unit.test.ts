import { describe, expect, test } from 'vitest'
import { repeat, Tally } from '../src/loops.ts'
import { itemOf, itemsOf } from '../src/payload.ts'

describe('what a slice counts', () => {
  test('repeat runs as many loops as asked, and counts what each call says it did', async () => {
    const loops = new Set<number>()
    const { count } = await repeat({ ms: 5, atOnce: 3 }, async (_, loop) => {
      loops.add(loop)
      await new Promise((resolve) => setImmediate(resolve))
      return 10
    })
    expect(loops).toEqual(new Set([0, 1, 2]))
    expect(count % 10).toBe(0)
  })

  test('a tally ends with the first message after its time, and does not count it', async () => {
    const tally = new Tally({ ms: 0, warmMs: 0 })
    tally.add()
    while (!tally.isOver) await new Promise((resolve) => setImmediate(resolve))
    tally.add(5)
    expect((await tally.result).count).toBeLessThanOrEqual(1)
    expect(tally.seen).toBe(6)
  })

  test('a tally ends where nothing is left before its time is over, and counts what it took for the rest', async () => {
    const tally = new Tally({ ms: 60_000, warmMs: 0 })
    tally.add(7)
    const { count, ms } = await tally.result
    expect(count).toBe(7)
    expect(ms).toBeLessThan(1_000)
  })

  test('a tally that ends before its time begins counts all it took', async () => {
    const tally = new Tally({ ms: 60_000, warmMs: 30_000 })
    tally.add(7)
    const { count, ms, all } = await tally.result
    expect([count, all]).toEqual([7, 7])
    expect(ms).toBeLessThan(1_000)
  })

  test('payloads are about 200 bytes, and have as many keys as asked', () => {
    const size = JSON.stringify(itemOf(1_234, 0).payload).length
    expect(size).toBeGreaterThan(150)
    expect(size).toBeLessThan(250)
    expect(new Set(itemsOf(0, 100, 7).map(({ key }) => key)).size).toBe(7)
    expect(itemOf(3, 0).key).toBeNull()
  })
})
