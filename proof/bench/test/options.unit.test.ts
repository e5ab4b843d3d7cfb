import { describe, expect, test } from 'vitest'
import { parseOptions, UsageError } from '../src/options.ts'

const subjects = [
  { name: 'postgres', measures: [{ name: 'publish-one' }, { name: 'drain' }, { name: 'memory' }] },
  { name: 'rabbitmq', measures: [{ name: 'consume' }] },
]

describe('the command line of the bench', () => {
  test('without options slices are long enough to mean something', () => {
    const options = parseOptions(['postgres'], subjects)
    expect(options).toMatchObject({
      only: [],
      quick: false,
      full: false,
      json: false,
      write: false,
      seconds: 3,
      rounds: 5,
    })
  })

  test('--quick makes slices and rounds small unless they are given', () => {
    expect(parseOptions(['postgres', '--quick'], subjects)).toMatchObject({ quick: true, seconds: 0.5, rounds: 2 })
    const given = parseOptions(['postgres', '--quick', '--seconds', '2', '--rounds', '4'], subjects)
    expect(given).toMatchObject({ seconds: 2, rounds: 4 })
  })

  test('--only takes names separated by commas', () => {
    expect(parseOptions(['postgres', '--only', 'drain,memory', '--json'], subjects)).toMatchObject({
      only: ['drain', 'memory'],
      json: true,
    })
  })

  test('the first word says what is measured, and each has measures of its own', () => {
    expect(parseOptions(['rabbitmq', '--only', 'consume'], subjects)).toMatchObject({
      subject: 'rabbitmq',
      only: ['consume'],
    })
  })

  test.each([
    [[], 'Say what to measure, one of postgres, rabbitmq. Got: nothing.'],
    [['mysql'], 'Got: mysql'],
    [['postgres', 'rabbitmq'], 'Got: postgres rabbitmq'],
    [['postgres', '--only', 'drian'], 'postgres has no measure drian. There are: publish-one, drain, memory'],
    [['rabbitmq', '--only', 'drain'], 'rabbitmq has no measure drain. There are: consume'],
    [['postgres', '--seconds', 'many'], '--seconds must be a number of at least 0.1, not many'],
    [['postgres', '--rounds', '0'], '--rounds must be a number of at least 1, not 0'],
    [['postgres', '--fast'], '--fast'],
  ])('%j is refused, saying why', (args, why) => {
    expect(() => parseOptions(args, subjects)).toThrow(UsageError)
    expect(() => parseOptions(args, subjects)).toThrow(why)
  })
})
