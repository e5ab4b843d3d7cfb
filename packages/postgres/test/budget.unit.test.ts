import { describe, expect, it } from 'vitest'
import { assertBudget } from '../src/budget.ts'

const fine = {
  own: 5,
  effects: 10,
  effectsArePooled: false,
  clientMax: 10,
  free: 15,
  limit: 'the server’s max_connections is 20',
}

describe('the connection budget', () => {
  it('is kept where everything fits exactly', () => {
    expect(() => assertBudget(fine)).not.toThrow()
    expect(() => assertBudget({ ...fine, clientMax: undefined })).not.toThrow()
  })

  it('leaves what goes through a pooler to the pooler, and counts the rest', () => {
    expect(() => assertBudget({ ...fine, effectsArePooled: true, free: 5 })).not.toThrow()
    expect(() => assertBudget({ ...fine, effectsArePooled: true, free: 4 })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/needs 5 connections \(5 of its own and 0 /) }),
    )
    expect(() => assertBudget({ ...fine, own: 0, effectsArePooled: true, free: 0 })).not.toThrow()
  })

  it('refuses a pool smaller than what handlers hold at once, naming both', () => {
    expect(() => assertBudget({ ...fine, clientMax: 9 })).toThrow(
      expect.objectContaining({
        code: 'ACUSE_CONNECTION_BUDGET',
        message: expect.stringMatching(/handles 10 .* has 9 .*max to at least 10/),
      }),
    )
  })

  it('refuses a server that has too few left, naming the sum, its parts and the limit', () => {
    expect(() => assertBudget({ ...fine, free: 14 })).toThrow(
      expect.objectContaining({
        code: 'ACUSE_CONNECTION_BUDGET',
        message: expect.stringMatching(
          /needs 15 connections \(5 of its own and 10 .* only 14 are free: the server’s max_connections is 20/,
        ),
      }),
    )
  })
})
