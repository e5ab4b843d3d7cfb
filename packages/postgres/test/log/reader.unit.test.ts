import { expect, it } from 'vitest'
import { restAfter } from '../../src/log/reader.ts'

it('a reader rests twice as long as its look took, 2 ms at least, and 100 at most whatever the look stood still for', () => {
  expect([0.2, 0.7, 5, 40, 8_000].map(restAfter)).toEqual([2, 2, 10, 80, 100])
})
