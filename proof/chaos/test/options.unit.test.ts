import { describe, expect, it } from 'vitest'
import { readOptions } from '../src/options.ts'

const read = (...args: string[]): ReturnType<typeof readOptions> => readOptions(args, () => 42)

describe('the command line', () => {
  it('has defaults, and draws a seed', () => {
    expect(read()).toEqual({
      transport: 'postgres',
      seconds: 120,
      seed: 42,
      messages: null,
      faults: null,
      logs: null,
      json: false,
    })
  })

  it('takes every option', () => {
    const args = [
      '--transport',
      'postgres',
      '--seconds',
      '20',
      '--seed',
      '7',
      '--messages',
      '500',
      '--logs',
      '/tmp/logs',
      '--json',
    ]
    expect(read(...args, '--faults', 'kill, pg-kill')).toEqual({
      transport: 'postgres',
      seconds: 20,
      seed: 7,
      messages: 500,
      faults: ['kill', 'pg-kill'],
      logs: '/tmp/logs',
      json: true,
    })
    expect(read('--faults', 'none')).toMatchObject({ faults: [] })
    expect(read('-h')).toBe('help')
  })

  it.each([
    [['--seconds', 'x'], /--seconds takes a whole number from 1 to 86400, not "x"/],
    [['--faults', 'kill,flood'], /there is no flood; there are kill, stop, term/],
    [['--transport', 'pigeon'], /there is no pigeon; there is postgres/],
    [['--loud'], /Unknown option '--loud'/],
  ])('refuses %j', (args, said) => {
    expect(() => read(...args)).toThrow(said)
  })
})
