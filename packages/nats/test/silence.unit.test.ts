import { createVirtualClock, type VirtualClock } from '@acuse/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { Silence } from '../src/silence.ts'

let clock: VirtualClock
let silence: Silence
let left: number

beforeEach(() => {
  clock = createVirtualClock()
  left = 0
  silence = new Silence(clock, () => void left++)
})

/** A question that is not answered, `seconds` after the one before. */
async function unanswered(seconds: number): Promise<void> {
  await clock.advance({ seconds })
  silence.goesOn()
}

describe('a server that answers nothing', () => {
  test('is left 10 s after the first question, and not before', async () => {
    await unanswered(0)
    await unanswered(5)
    await unanswered(4)
    expect(left).toBe(0)
    await unanswered(1)
    expect(left).toBe(1)
  })

  test('is kept as soon as it answers one', async () => {
    await unanswered(0)
    await unanswered(9)
    silence.over()
    await unanswered(5)
    await unanswered(9)
    expect(left).toBe(0)
  })

  test('is given as long again after it was left', async () => {
    await unanswered(0)
    await unanswered(10)
    await unanswered(5)
    await unanswered(9)
    expect(left).toBe(1)
    await unanswered(1)
    expect(left).toBe(2)
  })
})
