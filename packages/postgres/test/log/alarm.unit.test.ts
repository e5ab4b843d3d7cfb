import { createVirtualClock } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { Alarm } from '../../src/log/alarm.ts'

function workshop() {
  const clock = createVirtualClock()
  const failures: unknown[] = []
  const ends: ((failure?: Error) => void)[] = []
  let running = 0
  let most = 0
  const alarm = new Alarm(
    clock,
    async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve, reject) => {
        ends.push((failure) => (failure === undefined ? resolve() : reject(failure)))
      }).finally(() => running--)
    },
    (error) => failures.push(error),
  )
  /** Ends the run that is under way. */
  const end = async (failure?: Error): Promise<void> => {
    ends.shift()?.(failure)
    await clock.settle()
  }
  return { clock, alarm, failures, end, begun: () => running, most: () => most }
}

describe('an alarm', () => {
  it('runs once at the earliest time asked for, and once more for what is asked during a run', async () => {
    const { clock, alarm, end, begun, most } = workshop()
    alarm.ring(50)
    alarm.ring(20)
    await clock.advance({ ms: 1_000 })
    expect(begun()).toBe(1)
    alarm.ring(0)
    alarm.ring(5)
    await clock.advance({ ms: 1_000 })
    expect(begun()).toBe(1)
    await end()
    await clock.advance({ ms: 1_000 })
    expect(begun()).toBe(1)
    await end()
    await clock.advance({ ms: 1_000 })
    expect([begun(), most()]).toEqual([0, 1])
  })

  it('runs its first work by itself: what rings before or meanwhile comes after it', async () => {
    const { clock, alarm, end, begun, most } = workshop()
    alarm.ring(5)
    const first = alarm.first()
    await clock.advance({ ms: 1_000 })
    alarm.ring(5)
    await clock.advance({ ms: 1_000 })
    expect([begun(), most()]).toEqual([1, 1])
    await end()
    await first
    await clock.advance({ ms: 1_000 })
    expect([begun(), most()]).toEqual([1, 1])
    await end()
  })

  it('lets a run that has begun end before the first work', async () => {
    const { clock, alarm, end, most } = workshop()
    alarm.ring(0)
    await clock.advance({ ms: 1 })
    const first = alarm.first()
    await clock.settle()
    expect(most()).toBe(1)
    await end()
    await end()
    await first
    expect(most()).toBe(1)
  })

  it('tells who asked for the first work of its failure, and goes on', async () => {
    const { clock, alarm, failures, end, begun } = workshop()
    const told = alarm.first().catch((error: unknown) => error)
    await clock.settle()
    await end(new Error('away'))
    expect(await told).toEqual(new Error('away'))
    await clock.settle()
    alarm.ring(0)
    await clock.advance({ ms: 1 })
    expect(begun()).toBe(1)
    await end(new Error('again'))
    expect(failures).toEqual([new Error('again')])
  })
})
