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
    transport: 'postgres',
    transportUrl: null,
    ratePerSecond: null,
    concurrency: 16,
    drainSeconds: 120,
    once: false,
    json: false,
  })
})

test('every option is read', () => {
  const args =
    '--orders 150 --seed 0 --faults --rate 20 --concurrency=4 --drain-seconds 9 --once --json --folder a --transport rabbitmq --transport-url amqp://localhost'
  expect(read(...args.split(' '), '--input', import.meta.filename)).toEqual({
    input: import.meta.filename,
    orders: 150,
    seed: 0,
    faults: true,
    transport: 'rabbitmq',
    transportUrl: 'amqp://localhost',
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
    const option = { ratePerSecond: 'rate', drainSeconds: 'drain-seconds', transportUrl: 'transport-url' }[name] ?? name
    expect(HELP).toContain(`--${option} `)
  }
})

test.each([
  ['amqp://user:word@host:5672/vhost', 'rabbitmq'],
  ['amqps://host', 'rabbitmq'],
  ['postgres://host/bus', 'postgres'],
  ['postgresql://host/bus', 'postgres'],
])('the address %s says the transport by itself', (url, transport) => {
  expect(read('--transport-url', url)).toMatchObject({ transport, transportUrl: url })
})

test('a release may be named beside an address', () => {
  const options = read('--transport', 'rabbitmq-3.10', '--transport-url', 'amqp://host')
  expect(options).toMatchObject({ transport: 'rabbitmq-3.10', transportUrl: 'amqp://host' })
})

test.each([
  [
    ['--transport', 'rabbit'],
    '--transport is one of postgres, rabbitmq, rabbitmq-3.10, kafka, nats, redis, not "rabbit"',
  ],
  [['--transport', ''], '--transport is one of postgres, rabbitmq, rabbitmq-3.10, kafka, nats, redis, not ""'],
  [
    ['--transport-url', 'localhost:5672'],
    '--transport-url is an address that begins with one of postgres://, postgresql://, amqp://, amqps://, kafka://, nats://, tls://, redis://, rediss://',
  ],
  [
    ['--transport-url', 'http://user:secret@host'],
    '--transport-url is an address that begins with one of postgres://, postgresql://, amqp://, amqps://, kafka://, nats://, tls://, redis://, rediss://',
  ],
  [
    ['--transport', 'postgres', '--transport-url', 'amqp://user:secret@host'],
    '--transport postgres and --transport-url amqp://… are two; leave one of them out',
  ],
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
