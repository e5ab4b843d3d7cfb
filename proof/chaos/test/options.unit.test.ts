import { describe, expect, it } from 'vitest'
import { readOptions } from '../src/options.ts'

const read = (...args: string[]): ReturnType<typeof readOptions> => readOptions(args, () => 42)

describe('the command line', () => {
  it('has defaults, and draws a seed', () => {
    expect(read()).toEqual({
      transport: 'postgres',
      nodes: 1,
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
      nodes: 1,
      seconds: 20,
      seed: 7,
      messages: 500,
      faults: ['kill', 'pg-kill'],
      logs: '/tmp/logs',
      json: true,
    })
    expect(read('--faults', 'none')).toMatchObject({ faults: [] })
    expect(read('--transport', 'kafka', '--nodes', '3', '--faults', 'node-kill')).toMatchObject({
      nodes: 3,
      faults: ['node-kill'],
    })
    expect(read('-h')).toBe('help')
  })

  it.each([
    [['--seconds', 'x'], /--seconds takes a whole number from 1 to 86400, not "x"/],
    [['--faults', 'kill,flood'], /there is no flood; there are kill, stop, term/],
    [['--transport', 'nats', '--nodes', '3', '--faults', 'broker-kill'], /there is no broker-kill; there are kill/],
    [['--transport', 'redis', '--nodes', '3'], /--nodes: redis can have 1 here, not 3/],
    [['--transport', 'nats', '--nodes', '2'], /--nodes: nats can have 1 or 3 here, not 2/],
    [['--transport', 'pigeon'], /there is no pigeon; there is postgres/],
    [['--loud'], /Unknown option '--loud'/],
  ])('refuses %j', (args, said) => {
    expect(() => read(...args)).toThrow(said)
  })
})
