import { noRetry } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { effect, Noticed, Placed, setting } from './setting.ts'

describe('schedules', () => {
  it('deliver at a time, by the clock of the database, and can be cancelled', async () => {
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: noRetry }).on(Placed, (message, { tx }) => effect(tx, message.data.orderId))
    })
    const at = new Date(clock.now() + 60_000)
    const kept = await bus.publishNow(Placed({ orderId: 'kept', n: 1 }), { deliverAt: at })
    const cancelled = await bus.publishNow(Placed({ orderId: 'cancelled', n: 1 }), { deliverAfterMs: 60_000 })
    expect(kept.state).toBe('scheduled')
    expect(await bus.transaction((tx) => bus.cancel(tx, cancelled.id))).toBe(true)
    expect(await bus.transaction((tx) => bus.cancel(tx, cancelled.id))).toBe(false)
    await clock.advance({ seconds: 59 })
    expect(effects()).toEqual([])
    await clock.advance({ seconds: 3 })
    expect(effects()).toEqual(['kept'])
    for (const deliverAfterMs of [-1, Number.NaN, Infinity, 1e300]) {
      await expect(bus.publishNow(Placed({ orderId: 'a', n: 1 }), { deliverAfterMs })).rejects.toThrow(/deliverAfterMs/)
    }
  })

  it('cron fires once for all processes, and once for what was missed', async () => {
    const clock = createVirtualClock(new Date('2026-01-01T00:00:30Z'))
    const database = createMemoryDatabase(clock)
    const declare = (b: Parameters<Parameters<typeof setting>[0]>[0]): void => {
      b.cron('minutely', '* * * * *', (dueAt) => Noticed({ orderId: dueAt.toISOString(), n: 0 }))
    }
    await setting(declare, { database, on: clock })
    await setting(declare, { database, on: clock })
    await clock.advance({ minutes: 3 })
    expect(database.appended().map(({ body }) => JSON.parse(Buffer.from(body).toString()).orderId)).toEqual([
      '2026-01-01T00:01:00.000Z',
      '2026-01-01T00:02:00.000Z',
      '2026-01-01T00:03:00.000Z',
    ])
  })
})
