import { describe, expect, test } from 'vitest'
import { median, percentile, ratiosOf, slopeOf } from '../src/statistics.ts'

describe('statistics of the bench', () => {
  test('the median of an odd number is the middle one, of an even number the mean of the middle two', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([10, 1, 4, 2])).toBe(3)
  })

  test('a percentile is a value that was measured, and not exceeded by that share of all', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(percentile(values, 0.99)).toBe(99)
    expect(percentile(values, 0.5)).toBe(50)
    expect(percentile([7], 0.99)).toBe(7)
    expect(percentile([1, 2], 0)).toBe(1)
  })

  test('ratios are taken round by round, so that a slow moment of the machine cancels out', () => {
    // The second round ran at a tenth of the speed for both.
    expect(ratiosOf([100, 8, 90], [200, 20, 100])).toEqual({ median: 0.5, least: 0.4, most: 0.9 })
  })

  test('a slope is how much the line through all points climbs, whatever disturbs single ones', () => {
    expect(
      slopeOf([
        [0, 100],
        [1, 102],
        [2, 104],
      ]),
    ).toBeCloseTo(2)
    expect(
      slopeOf([
        [0, 5],
        [1, 9],
        [2, 5],
        [3, 9],
        [4, 5],
      ]),
    ).toBeCloseTo(0)
  })

  test('nothing has no median, and rounds that do not match have no ratios', () => {
    expect(() => median([])).toThrow('median of nothing')
    expect(() => percentile([], 0.5)).toThrow('percentile of nothing')
    expect(() => ratiosOf([1], [1, 2])).toThrow('1 rounds cannot be compared with 2')
    expect(() => ratiosOf([1, 2], [1, 0])).toThrow('take longer ones (--seconds)')
  })
})
