import { basename, isAbsolute } from 'node:path'

import { expect, test } from 'vitest'

import { HELP, OptionsError, readOptions } from '../src/options.ts'
import type { Options } from '../src/options.ts'

const read = (...args: string[]): Options => {
  const options = readOptions(args, () => 77)
  if (options === 'help') throw new Error('it took this for a call for help')
  return options
}

test('without options it takes the sample once, draws a seed, and stays', () => {
  const { input, folder, ...rest } = read()
  expect(basename(input)).toBe('sample-orders.csv')
  expect(isAbsolute(folder)).toBe(true)
  expect(rest).toEqual({
    orders: null,
    seed: 77,
    faults: false,
    ratePerSecond: null,
    concurrency: 16,
    drainSeconds: 120,
    once: false,
    json: false,
  })
})

test('every option is read', () => {
  const args = '--orders 150 --seed 0 --faults --rate 20 --concurrency=4 --drain-seconds 9 --once --json --folder a'
  expect(read(...args.split(' '), '--input', import.meta.filename)).toEqual({
    input: import.meta.filename,
    orders: 150,
    seed: 0,
    faults: true,
    ratePerSecond: 20,
    concurrency: 4,
    folder: `${process.cwd()}/a`,
    drainSeconds: 9,
    once: true,
    json: true,
  })
})

test.each([['--help'], ['-h'], ['--faults', '--help']])('%s asks for help, and help names every option', (...args) => {
  expect(readOptions(args, () => 1)).toBe('help')
  for (const name of Object.keys(read())) {
    const option = { ratePerSecond: 'rate', drainSeconds: 'drain-seconds' }[name] ?? name
    expect(HELP).toContain(`--${option} `)
  }
})

test.each([
  [['--orders', '0'], '--orders takes a whole number from 1 to 10000000, not "0"'],
  [['--orders', 'many'], '--orders takes a whole number from 1 to 10000000, not "many"'],
  [['--orders=-5'], '--orders takes a whole number from 1 to 10000000, not "-5"'],
  [['--seed', '1e3'], '--seed takes a whole number from 0 to 2147483647, not "1e3"'],
  [['--drain-seconds', '1.5'], '--drain-seconds takes a whole number from 1 to 86400, not "1.5"'],
  [['--folder', ''], '--folder is empty'],
  [['--input', import.meta.dirname], `--input: ${import.meta.dirname} is a folder`],
  [['--input', '/no/such/file.csv'], '--input: there is no file /no/such/file.csv'],
  [['--fault'], "Unknown option '--fault'"],
  [['orders.csv'], "Unexpected argument 'orders.csv'. This command does not take positional arguments"],
  [['--faults=yes'], "Option '--faults' does not take an argument"],
  [['--orders'], "Option '--orders <value>' argument missing"],
])('%j is refused in words', (args, message) => {
  expect(() => read(...args)).toThrow(new OptionsError(message))
})
