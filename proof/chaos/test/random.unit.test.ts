import { expect, it } from 'vitest'
import { createRandom } from '../src/random.ts'

it('a seed and a purpose decide the numbers, and nothing else does', () => {
  const draw = (seed: number, purpose: string): number[] => {
    const random = createRandom(seed, purpose)
    return Array.from({ length: 5 }, () => random.next())
  }
  expect(draw(7, 'kill')).toEqual(draw(7, 'kill'))
  expect(draw(7, 'kill')).not.toEqual(draw(7, 'stop'))
  expect(draw(7, 'kill')).not.toEqual(draw(8, 'kill'))
})

it('numbers are spread over their range, and stay in it', () => {
  const random = createRandom(1, 'spread')
  const wholes = Array.from({ length: 2_000 }, () => random.whole(1, 4))
  for (const value of [1, 2, 3, 4]) expect(wholes.filter((whole) => whole === value).length).toBeGreaterThan(400)
  expect(wholes.every((whole) => whole >= 1 && whole <= 4)).toBe(true)
  expect(Array.from({ length: 2_000 }, () => random.chance(0.25)).filter(Boolean).length).toBeLessThan(600)
  expect(random.pick([])).toBeUndefined()
})
