import { expect, it } from 'vitest'
import { mayEndOne } from '../src/faults/fault.ts'

type State = 'up' | 'starting' | 'down'

const statesOf = (...states: readonly State[]): Parameters<typeof mayEndOne>[0] => ({
  places: states.map((state) => ({ state })),
})

it('a process may be ended while at most a quarter of all is not up', () => {
  expect(mayEndOne(statesOf('up', 'up', 'up', 'up', 'up', 'up', 'up', 'up'))).toBe(true)
  expect(mayEndOne(statesOf('up', 'up', 'up', 'up', 'up', 'up', 'up', 'starting'))).toBe(true)
  expect(mayEndOne(statesOf('up', 'up', 'up', 'up', 'up', 'up', 'down', 'starting'))).toBe(false)
  expect(mayEndOne(statesOf('up'))).toBe(true)
  expect(mayEndOne(statesOf('starting'))).toBe(false)
})
