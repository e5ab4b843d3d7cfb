import type { Priority } from '@acuse/core'
import { createVirtualClock } from '@acuse/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LaneItem, type LaneKind, Lanes } from '../src/lanes.ts'

interface Item extends LaneItem {
  readonly n: number
}

const single: LaneKind = { most: 1, waitMs: 0 }
const paired: LaneKind = { most: 2, waitMs: 0 }
const spread: LaneKind = { most: 2, waitMs: 0, spread: true }

describe('lanes', () => {
  it('keep each key in order and never run one twice at once, whatever comes, fails, or is taken out', async () => {
    const item = fc.record({
      key: fc.constantFrom(null, 'a', 'b', 'c'),
      priority: fc.constantFrom<Priority>('normal', 'high', 'critical'),
      kind: fc.constantFrom(single, paired, spread),
      takesMs: fc.integer({ min: 0, max: 20 }),
      undoneTimes: fc.integer({ min: 0, max: 2 }),
      comesAtMs: fc.integer({ min: 0, max: 30 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (planned, concurrency) => {
          const clock = createVirtualClock()
          const done: Item[] = []
          const busy = new Set<string>()
          const left = new Map<number, number>(planned.map(({ undoneTimes }, n) => [n, undoneTimes]))
          let most = 0
          const lanes = new Lanes<Item>({
            clock,
            concurrency,
            run: async (unit) => {
              most = Math.max(most, lanes.running)
              const keys = new Set(unit.flatMap(({ key }) => (key === null ? [] : [key])))
              for (const key of keys) {
                expect(busy.has(key)).toBe(false)
                busy.add(key)
              }
              await new Promise<void>((resolve) => clock.after(planned[unit[0]?.n ?? 0]?.takesMs ?? 0, resolve))
              for (const key of keys) busy.delete(key)
              const firstUndone = unit.findIndex(({ n }) => (left.get(n) ?? 0) > 0)
              if (firstUndone === -1) return void done.push(...unit)
              const failing = unit[firstUndone]
              if (failing !== undefined) left.set(failing.n, (left.get(failing.n) ?? 0) - 1)
              done.push(...unit.slice(0, firstUndone))
              return { items: unit.slice(firstUndone), delayMs: 5 }
            },
          })
          const byTime = planned
            .map((one, n) => ({ ...one, n }))
            .toSorted((a, b) => a.comesAtMs - b.comesAtMs || a.n - b.n)
          for (const one of byTime) clock.after(one.comesAtMs, () => lanes.add([one]))
          await clock.advance({ seconds: 30 })
          expect(done).toHaveLength(planned.length)
          expect(most).toBeLessThanOrEqual(concurrency)
          for (const key of ['a', 'b', 'c']) {
            const came = byTime.filter((one) => one.key === key).map(({ n }) => n)
            expect(done.filter((one) => one.key === key).map(({ n }) => n)).toEqual(came)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('take higher priorities first, and every eighth time the lowest', async () => {
    const clock = createVirtualClock()
    const order: Priority[] = []
    const lanes = new Lanes<Item>({
      clock,
      concurrency: 1,
      run: async (unit) => void order.push(...unit.map(({ priority }) => priority)),
    })
    lanes.pause()
    for (let n = 0; n < 10; n++) {
      for (const priority of ['normal', 'high', 'critical'] as const)
        lanes.add([{ n, key: null, priority, kind: single }])
    }
    lanes.resume()
    await clock.advance({ seconds: 1 })
    expect(order.slice(0, 7)).toEqual(Array.from({ length: 7 }, () => 'critical'))
    expect(order[7]).toBe('normal')
    expect(order).toHaveLength(30)
  })

  it('begin the highest first, but leave nothing that waits for more than eight units, whatever waits beside it', async () => {
    const waiting = fc.record({ critical: fc.nat({ max: 60 }), high: fc.nat({ max: 60 }), normal: fc.nat({ max: 60 }) })
    await fc.assert(
      fc.asyncProperty(waiting, async (counts) => {
        const clock = createVirtualClock()
        const order: Priority[] = []
        const lanes = new Lanes<Item>({
          clock,
          concurrency: 1,
          run: async (unit) => void order.push(...unit.map(({ priority }) => priority)),
        })
        lanes.pause()
        for (const priority of ['normal', 'high', 'critical'] as const) {
          for (let n = 0; n < counts[priority]; n++) lanes.add([{ n, key: null, priority, kind: single }])
        }
        lanes.resume()
        await clock.settle()
        const left = { ...counts }
        for (const [index, priority] of order.entries()) {
          const there = (['normal', 'high', 'critical'] as const).filter((one) => left[one] > 0)
          const turn = (index + 1) % 8 === 0 ? there[0] : there.at(-1)
          expect(priority).toBe(turn)
          left[priority]--
        }
        expect(left).toEqual({ normal: 0, high: 0, critical: 0 })
      }),
      { numRuns: 300 },
    )
  })

  it('spread a unit over many keys, and fill it from few', async () => {
    const four: LaneKind = { most: 4, waitMs: 0, spread: true }
    const unitsOf = async (keys: readonly string[], kind: LaneKind): Promise<string[][]> => {
      const clock = createVirtualClock()
      const units: string[][] = []
      const run = async (unit: readonly Item[]): Promise<undefined> => void units.push(unit.map(({ key }) => key ?? ''))
      const lanes = new Lanes<Item>({ clock, concurrency: 1, run })
      lanes.pause()
      lanes.add(keys.map((key, n) => ({ n, key, priority: 'normal', kind })))
      lanes.resume()
      await clock.settle()
      return units
    }
    const many = ['a', 'a', 'a', 'b', 'b', 'c', 'd']
    expect(await unitsOf(many, four)).toEqual([
      ['a', 'b', 'c', 'd'],
      ['a', 'a', 'b'],
    ])
    expect(await unitsOf(many, { ...four, spread: false })).toEqual([
      ['a', 'a', 'a', 'b'],
      ['c', 'd', 'b'],
    ])
    expect(await unitsOf(['a', 'a', 'a', 'a', 'a'], four)).toEqual([['a', 'a', 'a', 'a'], ['a']])
  })

  it('give back what has not begun, also what waits out a delay, and tell when what has begun is done', async () => {
    const clock = createVirtualClock()
    let release: () => void = () => undefined
    const lanes = new Lanes<Item>({
      clock,
      concurrency: 2,
      run: (unit) =>
        unit[0]?.n === 9
          ? Promise.resolve({ items: unit, delayMs: 60_000 })
          : new Promise((resolve) => (release = () => resolve(undefined))),
    })
    const at = (n: number, key: string | null): Item => ({ n, key, priority: 'normal', kind: single })
    lanes.add([at(9, 'held'), at(1, 'a'), at(2, 'a'), at(3, null), at(10, 'held')])
    await clock.settle()
    expect(
      lanes
        .evict(({ n }) => n > 1)
        .map(({ n }) => n)
        .toSorted((x, y) => x - y),
    ).toEqual([2, 9, 10])
    let idle = false
    void lanes.idle(({ key }) => key === 'a').then(() => (idle = true))
    await clock.settle()
    expect(idle).toBe(false)
    release()
    await clock.advance({ minutes: 2 })
    expect(lanes.running).toBeLessThanOrEqual(1)
  })
})
