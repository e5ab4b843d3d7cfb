import { pause } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { createVirtualClock } from '../src/virtual-clock.ts'

describe('the virtual clock', () => {
  it('stands still until it is told to move', async () => {
    const clock = createVirtualClock(new Date('2031-05-01T00:00:00Z'))
    expect(new Date(clock.now())).toEqual(new Date('2031-05-01T00:00:00Z'))
    await clock.advance({ days: 1, hours: 2, minutes: 3, seconds: 4, ms: 5 })
    expect(new Date(clock.now())).toEqual(new Date('2031-05-02T02:03:04.005Z'))
  })

  it('fires what is due in order of time, then of creation, at its own time', async () => {
    const clock = createVirtualClock(new Date(0))
    const fired: [string, number][] = []
    const note = (name: string) => () => void fired.push([name, clock.now()])
    clock.after(20, note('second'))
    clock.after(10, note('first'))
    clock.after(20, note('third'))
    clock.after(31, note('never'))
    await clock.advance({ ms: 30 })
    expect(fired).toEqual([
      ['first', 10],
      ['second', 20],
      ['third', 20],
    ])
  })

  it('lets the work between two timers run to its end first', async () => {
    const clock = createVirtualClock(new Date(0))
    const seen: string[] = []
    clock.after(10, () => {
      void (async () => {
        for (let step = 0; step < 50; step++) await Promise.resolve()
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setImmediate(resolve))
        seen.push(`work of the first at ${clock.now()}`)
        await pause(clock, 1)
        seen.push(`its own timer at ${clock.now()}`)
      })()
    })
    clock.after(12, () => seen.push(`second at ${clock.now()}`))
    await clock.advance({ ms: 100 })
    expect(seen).toEqual(['work of the first at 10', 'its own timer at 11', 'second at 12'])
  })

  it('does not fire what was cancelled', async () => {
    const clock = createVirtualClock()
    let fired = false
    const cancel = clock.after(10, () => (fired = true))
    cancel()
    cancel()
    await clock.advance({ seconds: 1 })
    expect(fired).toBe(false)
  })

  it('fires what needs no time when it settles', async () => {
    const clock = createVirtualClock()
    let fired = 0
    clock.after(0, () => clock.after(-5, () => fired++))
    clock.after(Number.NaN, () => fired++)
    clock.after(1, () => fired++)
    await clock.settle()
    expect(fired).toBe(2)
  })

  it('runs 30 days of a poll every minute within two seconds', async () => {
    const clock = createVirtualClock()
    let polls = 0
    const poll = (): void => {
      polls++
      clock.after(60_000, poll)
    }
    clock.after(60_000, poll)
    const startedAt = performance.now()
    await clock.advance({ days: 30 })
    expect(polls).toBe(43_200)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  it('refuses to go back or on for ever', async () => {
    const clock = createVirtualClock()
    await expect(clock.advance({ ms: -1 })).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
    await expect(clock.advance({ days: Infinity })).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
  })

  it('says so when work without time never ends', async () => {
    const clock = createVirtualClock()
    let on = true
    const again = (): void => {
      if (on) clock.after(0, again)
    }
    again()
    await expect(clock.settle()).rejects.toThrow('does not come to rest')
    on = false
    await clock.settle()
  })

  it('ends two advances at once at the later time', async () => {
    const clock = createVirtualClock(new Date(0))
    const fired: number[] = []
    for (const at of [3, 7, 12]) clock.after(at, () => fired.push(clock.now()))
    await Promise.all([clock.advance({ ms: 10 }), clock.advance({ ms: 5 })])
    expect(fired).toEqual([3, 7])
    expect(clock.now()).toBe(10)
  })
})
