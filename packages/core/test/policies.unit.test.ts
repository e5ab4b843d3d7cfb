import {
  AcuseError,
  Breaker,
  byError,
  DependencyDownError,
  exponential,
  isNetworkError,
  linear,
  noRetry,
  parseCron,
  retryPresets,
  stream,
} from '@acuse/core'
import { createVirtualClock } from '@acuse/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placedSchema } from './setting.ts'

const never = (): number => 0
const boom = new Error('boom')

function delays(policy: typeof noRetry, error: unknown = boom): (number | 'dead')[] {
  const seen: (number | 'dead')[] = []
  for (let attempts = 1; attempts < 50; attempts++) {
    const decision = policy(error, attempts, never)
    seen.push(decision === 'dead-letter' ? 'dead' : decision.retryInMs)
    if (decision === 'dead-letter') break
  }
  return seen
}

describe('retry policies', () => {
  it('have the numbers of their presets', () => {
    expect(delays(retryPresets.notifications)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 'dead'])
    expect(delays(retryPresets.tracking)).toEqual([
      500,
      1_000,
      1_500,
      2_000,
      2_500,
      3_000,
      3_500,
      4_000,
      4_500,
      5_000,
      'dead',
    ])
    expect(delays(retryPresets.events)).toEqual([1_000, 2_000, 'dead'])
    expect(delays(retryPresets.transientOnly)).toEqual(['dead'])
    expect(delays(retryPresets.transientOnly, new DependencyDownError('x'))).toEqual([
      1_000,
      2_000,
      4_000,
      8_000,
      'dead',
    ])
  })

  it('never wait longer than the maximum, nor less than jitter allows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempts, random) => {
          for (const make of [exponential, linear]) {
            const decision = make({ attempts: 50, baseMs: 100, maxMs: 5_000, jitter: 0.5 })(
              boom,
              attempts,
              () => random,
            )
            if (decision === 'dead-letter') throw new Error('too early')
            expect(decision.retryInMs).toBeGreaterThanOrEqual(50)
            expect(decision.retryInMs).toBeLessThanOrEqual(5_000)
          }
        },
      ),
    )
  })

  const options = fc
    .record({
      attempts: fc.integer({ min: 1, max: 30 }),
      baseMs: fc.integer({ min: 0, max: 10_000 }),
      moreMs: fc.integer({ min: 0, max: 1_000_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ moreMs, ...rest }) => ({ ...rest, maxMs: rest.baseMs + moreMs }))
  const random = fc.double({ min: 0, max: 0.999999, noNaN: true })

  it('try as often as they say, take away no more than their jitter, and never wait less after more attempts', () => {
    fc.assert(
      fc.property(fc.constantFrom(exponential, linear), options, random, (make, settings, drawn) => {
        const whole = delays(make({ ...settings, jitter: 0 }))
        expect(whole).toHaveLength(settings.attempts)
        expect(whole.at(-1)).toBe('dead')
        const waits = whole.slice(0, -1).map(Number)
        expect(waits).toEqual(waits.toSorted((one, other) => one - other))
        expect(Math.max(0, ...waits)).toBeLessThanOrEqual(settings.maxMs)
        for (const [index, longest] of waits.entries()) {
          const decision = make(settings)(boom, index + 1, () => drawn)
          if (decision === 'dead-letter') throw new Error('too early')
          expect(decision.retryInMs).toBeLessThanOrEqual(longest)
          expect(decision.retryInMs).toBeGreaterThanOrEqual(Math.floor(longest * (1 - settings.jitter)))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('choose by error', () => {
    class Flaky extends Error {}
    const policy = byError(
      [
        { when: Flaky, retry: linear({ attempts: 2, baseMs: 7, maxMs: 7, jitter: 0 }) },
        { when: 'E_SLOW', retry: linear({ attempts: 2, baseMs: 9, maxMs: 9, jitter: 0 }) },
        { when: (error) => error === 'text', retry: linear({ attempts: 2, baseMs: 11, maxMs: 11, jitter: 0 }) },
      ],
      noRetry,
    )
    expect(policy(new Flaky(), 1, never)).toEqual({ retryInMs: 7 })
    expect(policy(Object.assign(new Error('slow'), { code: 'E_SLOW' }), 1, never)).toEqual({ retryInMs: 9 })
    expect(policy('text', 1, never)).toEqual({ retryInMs: 11 })
    expect(policy(boom, 1, never)).toBe('dead-letter')
  })

  it('give up at once on what repeating cannot mend', () => {
    expect(delays(exponential({ attempts: 5, baseMs: 1, maxMs: 1 }), new AcuseError('ACUSE_UNENCODABLE', 'x'))).toEqual(
      ['dead'],
    )
  })

  it('know network errors through their causes', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    expect(isNetworkError(new Error('fetch failed', { cause: refused }))).toBe(true)
    expect(isNetworkError(AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError'))).toBe(true)
    expect(isNetworkError(boom)).toBe(false)
    expect(isNetworkError('ECONNREFUSED')).toBe(false)
  })
})

describe('a breaker', () => {
  it('opens at the threshold within the window, lets one call through after the reset, and closes on its success', async () => {
    const clock = createVirtualClock()
    const states: string[] = []
    const breaker = new Breaker('stock', { clock, onChange: (state) => states.push(state) })
    const fail = (): Promise<unknown> => breaker.run(() => Promise.reject(boom)).catch((error: unknown) => error)
    for (let count = 0; count < 4; count++) await fail()
    await clock.advance({ seconds: 61 })
    for (let count = 0; count < 4; count++) await fail()
    expect(breaker.state).toBe('closed')
    await fail()
    expect(breaker.state).toBe('open')
    expect(await fail()).toMatchObject({ code: 'ACUSE_BREAKER_OPEN', retryable: true })
    await clock.advance({ seconds: 30 })
    expect(breaker.tryEnter()).toBe(true)
    expect(breaker.tryEnter()).toBe(false)
    breaker.failed(boom)
    await clock.advance({ seconds: 30 })
    await expect(breaker.run(async () => 'up')).resolves.toBe('up')
    expect(states).toEqual(['open', 'half-open', 'open', 'half-open', 'closed'])
  })

  it('counts only what it is told to, and a success between starts anew', async () => {
    const breaker = new Breaker('x', { threshold: 2, counts: isNetworkError })
    breaker.failed(new DependencyDownError('x'))
    breaker.failed(boom)
    breaker.failed(new DependencyDownError('x'))
    expect(breaker.state).toBe('closed')
    breaker.failed(new DependencyDownError('x'))
    expect(breaker.state).toBe('open')
  })
})

describe('cron', () => {
  const next = (expression: string, after: string, zone?: string): string =>
    parseCron(expression, zone).next(new Date(after)).toISOString()

  it.each([
    ['*/15 * * * *', '2026-01-01T00:01:00Z', '2026-01-01T00:15:00.000Z'],
    ['0 3 * * *', '2026-01-01T03:00:00Z', '2026-01-02T03:00:00.000Z'],
    ['30 8 1 * *', '2026-01-15T00:00:00Z', '2026-02-01T08:30:00.000Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0 12 * * 7', '2026-11-22T13:00:00Z', '2026-11-29T12:00:00.000Z'],
    ['0 12 13 * 5', '2026-11-01T00:00:00Z', '2026-11-06T12:00:00.000Z'],
    ['5,10-12/2 * * * *', '2026-01-01T00:05:00Z', '2026-01-01T00:10:00.000Z'],
  ])('%s after %s is %s', (expression, after, expected) => expect(next(expression, after)).toBe(expected))

  it('follows a time zone through changes of its clocks', () => {
    expect(next('0 8 * * *', '2026-03-28T09:00:00Z', 'Europe/Madrid')).toBe('2026-03-29T06:00:00.000Z')
    expect(next('30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Madrid')).toBe('2026-03-30T00:30:00.000Z')
    expect(next('30 2 * * *', '2026-10-24T12:00:00Z', 'Europe/Madrid')).toBe('2026-10-25T00:30:00.000Z')
    expect(next('30 2 * * *', '2026-10-25T00:30:00Z', 'Europe/Madrid')).toBe('2026-10-26T01:30:00.000Z')
    expect(next('0 0 * * *', '2026-01-01T00:00:00Z', 'America/Lima')).toBe('2026-01-01T05:00:00.000Z')
  })

  it.each([
    '',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '5-1 * * * *',
    '*/0 * * * *',
    'a * * * *',
    '0 0 31 2 *',
  ])('refuses "%s"', (expression) => expect(() => next(expression, '2026-01-01T00:00:00Z')).toThrow(/cron/))

  it('refuses an unknown zone', () => expect(() => parseCron('* * * * *', 'Mars/Olympus')).toThrow(/time zone/))
})

describe('declarations', () => {
  it.each([
    ['', 'not a valid name'],
    ['orders"; drop table log', 'not a valid name'],
    ['orders.*', 'not a valid name'],
    ['a>b', 'not a valid name'],
    ['é', 'not a valid name'],
    ['x'.repeat(64), '64 bytes long'],
  ])('refuse the name %j', (name, reason) => {
    expect(() => stream(name)).toThrow(reason)
    expect(() => stream('fine').message(name, { schema: placedSchema })).toThrow(reason)
  })

  it('refuse impossible partitions, versions and upcasters', () => {
    for (const partitions of [0, 257, 1.5, Number.NaN]) expect(() => stream('s', { partitions })).toThrow(/partitions/)
    const s = stream('s')
    expect(() => s.message('m', { schema: placedSchema, version: 0 })).toThrow(/version/)
    expect(() => s.message('m', { schema: placedSchema, version: 2, upcasters: { 2: (data) => data } })).toThrow(
      /reads version 2/,
    )
    expect(() =>
      s.message('m', { schema: placedSchema, version: 4, upcasters: { 1: (data) => data, 3: (data) => data } }),
    ).toThrow(/from version 2 to 3/)
  })
})
