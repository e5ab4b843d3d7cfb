import { describe, expect, test } from 'vitest'
import { parseOptions, UsageError } from '../src/options.ts'

const measures = ['publish-one', 'drain', 'memory']

describe('the command line of the bench', () => {
  test('without options slices are long enough to mean something', () => {
    const options = parseOptions(['postgres'], measures)
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
    expect(parseOptions(['postgres', '--quick'], measures)).toMatchObject({ quick: true, seconds: 0.5, rounds: 2 })
    const given = parseOptions(['postgres', '--quick', '--seconds', '2', '--rounds', '4'], measures)
    expect(given).toMatchObject({ seconds: 2, rounds: 4 })
  })

  test('--only takes names separated by commas', () => {
    expect(parseOptions(['postgres', '--only', 'drain,memory', '--json'], measures)).toMatchObject({
      only: ['drain', 'memory'],
      json: true,
    })
  })

  test.each([
    [[], 'Say what to measure'],
    [['mysql'], 'Got: mysql'],
    [['postgres', '--only', 'drian'], 'There is no measure drian. There are: publish-one, drain, memory'],
    [['postgres', '--seconds', 'many'], '--seconds must be a number of at least 0.1, not many'],
    [['postgres', '--rounds', '0'], '--rounds must be a number of at least 1, not 0'],
    [['postgres', '--fast'], '--fast'],
  ])('%j is refused, saying why', (args, why) => {
    expect(() => parseOptions(args, measures)).toThrow(UsageError)
    expect(() => parseOptions(args, measures)).toThrow(why)
  })
})
