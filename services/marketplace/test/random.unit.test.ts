import { expect, test } from 'vitest'

import { chance, createRandom } from '../src/random.ts'

test('seed, purpose and key decide a number, and each of them matters', () => {
  expect(chance(1, 'card', 'o-1')).toBe(chance(1, 'card', 'o-1'))
  const others = [chance(2, 'card', 'o-1'), chance(1, 'cancel', 'o-1'), chance(1, 'card', 'o-2')]
  expect(new Set([chance(1, 'card', 'o-1'), ...others]).size).toBe(4)
})

test('the numbers are spread evenly from 0 up to 1', () => {
  const numbers = Array.from({ length: 10_000 }, (_, index) => chance(1, 'spread', String(index)))
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inTenth = numbers.filter((number) => number >= tenth / 10 && number < (tenth + 1) / 10).length
    // Six standard deviations of 30.
    expect(Math.abs(inTenth - 1_000)).toBeLessThan(180)
  }
})

test('a sequence is the same for the same seed, and stays within its bounds', () => {
  const draw = (seed: number): number[] => {
    const random = createRandom(seed, 'kills')
    return Array.from({ length: 100 }, () => random.between(10, 20))
  }
  expect(draw(5)).toEqual(draw(5))
  expect(draw(5)).not.toEqual(draw(6))
  expect(Math.min(...draw(5))).toBeGreaterThanOrEqual(10)
  expect(Math.max(...draw(5))).toBeLessThan(20)
  expect(() => createRandom(1, 'nothing').pick([])).toThrow('nothing to pick from')
})
