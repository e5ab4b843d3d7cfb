import { crashPoints } from '@acuse/core'
import { expect, it } from 'vitest'
import { PointBook, rolesAt } from '../src/faults/point-book.ts'
import { createRandom } from '../src/random.ts'

it('some process of the run passes every crash point', () => {
  for (const point of crashPoints) expect(rolesAt(point), point).not.toEqual([])
})

it('points take turns: none comes again before every other has had its death', () => {
  const book = new PointBook()
  const random = createRandom(1, 'turns')
  const given = new Set<string>()
  for (let turn = 0; turn < crashPoints.length; turn++) {
    const point = book.begin(random)
    if (point === undefined) throw new Error('no point is left')
    expect(given.has(point)).toBe(false)
    given.add(point)
    book.died(point)
    book.finish(point)
  }
  expect(book.hit).toBe(crashPoints.length)
})

it('a point at which nobody died is given again later, and to nobody else meanwhile', () => {
  const book = new PointBook()
  const random = createRandom(1, 'again')
  const first = book.begin(random)
  const others = crashPoints.slice(1).map(() => book.begin(random))
  expect(others).not.toContain(first)
  expect(book.begin(random)).toBeUndefined()
  for (const point of others) if (point !== undefined) book.died(point)
  if (first !== undefined) book.finish(first)
  expect(book.begin(random)).toBe(first)
  expect(book.missing).toEqual([first])
})
