import { describe, expect, it } from 'vitest'
import { runCase, UnsupportedPromise } from '../src/conformance/case.ts'
import { eventually } from '../src/eventually.ts'
import { createVirtualClock } from '../src/virtual-clock.ts'

const world = { end: async (): Promise<void> => undefined }

describe('running a case', () => {
  it('names the case that failed and keeps its cause', async () => {
    const failure = new Error('a2 came before a1')
    const tested = { name: 'keeps the order', run: async () => Promise.reject(failure) }
    await expect(runCase(tested, world, 1_000)).rejects.toMatchObject({
      message: 'keeps the order: a2 came before a1',
      cause: failure,
    })
  })

  it('tells what is not supported from what is kept', async () => {
    const unsupported = { name: 'one', run: async () => Promise.reject(new UnsupportedPromise('lanes by priority')) }
    expect(await runCase(unsupported, world, 1_000)).toEqual({ unsupported: 'lanes by priority' })
    expect(await runCase({ name: 'two', run: async () => undefined }, world, 1_000)).toBe('kept')
  })

  it('fails a case that never ends, and one whose world cannot be ended', async () => {
    const endless = { name: 'endless', run: () => new Promise<void>(() => undefined) }
    await expect(runCase(endless, world, 20)).rejects.toThrow('did not end within 20 ms')
    const stuck = { end: async (): Promise<void> => Promise.reject(new Error('still running')) }
    await expect(runCase({ name: 'fine', run: async () => undefined }, stuck, 1_000)).rejects.toThrow('still running')
  })
})

describe('eventually', () => {
  it('gives what the check returned, once it no longer throws', async () => {
    const clock = createVirtualClock(new Date(0))
    const check = (): number => {
      if (clock.now() < 500) throw new Error('too early')
      return clock.now()
    }
    expect(await eventually(check, { wait: (ms) => clock.advance({ ms }) })).toBe(500)
  })

  it('gives up after its time with what was wrong last', async () => {
    const clock = createVirtualClock()
    const options = { timeoutMs: 100, wait: (ms: number) => clock.advance({ ms }) }
    const check = (): Promise<never> => Promise.reject(new Error('2 of 3 came'))
    await expect(eventually(check, options)).rejects.toThrow('Still not so after 100 ms: 2 of 3 came')
  })

  it('looks at the machine’s clock by default', async () => {
    let looks = 0
    const check = (): void => {
      if (++looks < 3) throw new Error('not yet')
    }
    await eventually(check, { everyMs: 1 })
    expect(looks).toBe(3)
  })
})
