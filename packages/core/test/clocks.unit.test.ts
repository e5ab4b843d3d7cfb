import { Breaker, type Clock, DependencyDownError } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock, type VirtualClock } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { effect, Placed, setting } from './setting.ts'

const dayMs = 86_400_000

/** A machine's own clock, which somebody may set; timers count on, as they do in Node. */
function settable(on: VirtualClock, startsAheadMs = 0): Clock & { jump(byMs: number): void } {
  let aheadMs = startsAheadMs
  return {
    now: () => on.now() + aheadMs,
    after: (delayMs, callback) => on.after(delayMs, callback),
    jump: (byMs) => {
      aheadMs += byMs
    },
  }
}

describe('a process whose clock is wrong', () => {
  it.each([2 * dayMs, -2 * dayMs])(
    'by %i ms gives a dependency that is down as long as any other, by the clock of the database',
    async (aheadMs) => {
      const on = createVirtualClock()
      let down = true
      const { bus, effects } = await setting(
        (b) =>
          b.group({ breaker: { threshold: 100 } }).on(Placed, async ({ data }, { tx }) => {
            if (down) throw new DependencyDownError('gateway')
            await effect(tx, data.orderId)
          }),
        { on, database: createMemoryDatabase(on), clock: settable(on, aheadMs) },
      )
      await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
      await on.advance({ hours: 1 })
      expect(await bus.deadLetters.list({})).toEqual([])
      down = false
      await on.advance({ minutes: 10 })
      expect(effects()).toEqual(['a'])
    },
  )
})

describe('a process whose clock is set back', () => {
  it('waits no longer than before for a batch to fill', async () => {
    const on = createVirtualClock()
    const clock = settable(on)
    const { bus, effects } = await setting(
      (b) => b.group().onBatch(Placed, async (batch, { tx }) => effect(tx, `${batch.length}`), { waitMs: 2_000 }),
      { on, database: createMemoryDatabase(on), clock },
    )
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await on.advance({ seconds: 1 })
    clock.jump(-dayMs)
    await on.advance({ seconds: 4 })
    expect(effects()).toEqual(['1'])
  })

  it('tries what its breaker keeps it from without waiting for the old time to come again', async () => {
    const on = createVirtualClock()
    const clock = settable(on)
    const breaker = new Breaker('stock', { threshold: 1, resetMs: 30_000, clock })
    breaker.failed(new DependencyDownError('stock'))
    clock.jump(-dayMs)
    await on.advance({ seconds: 30 })
    expect(breaker.tryEnter()).toBe(true)
  })
})
