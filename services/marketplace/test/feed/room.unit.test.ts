import { expect, test } from 'vitest'

import { createRoom } from '../../src/feed/room.ts'

test('so many go in, and others as soon as some are through', async () => {
  let open = 0
  let looks = 0
  const room = createRoom({
    most: 3,
    readOpen: async () => {
      looks += 1
      // The first look fails, as it does while the database is away.
      if (looks === 1) throw new Error('away')
      return open
    },
    everyMs: 1,
    signal: new AbortController().signal,
  })
  await Promise.all([room(), room(), room()])
  expect(looks).toBe(0)
  open = 2
  await room()
  expect(looks).toBe(2)
  open = 0
  await Promise.all([room(), room(), room()])
  expect(looks).toBe(3)
})

test('an end that is asked for ends the waiting', async () => {
  const ending = new AbortController()
  const room = createRoom({ most: 0, readOpen: () => Promise.resolve(9), everyMs: 60_000, signal: ending.signal })
  const waiting = room()
  ending.abort()
  await expect(waiting).rejects.toThrow('aborted')
})
