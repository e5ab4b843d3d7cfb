import { describe, expect, it } from 'vitest'
import { type Asked, type Figures, shortcomings } from '../src/verdict.ts'

const full: Figures = {
  seconds: 120,
  committed: 20_000,
  kills: 40,
  retried: 1_000,
  faults: { kill: 40, stop: 5 },
  crashPoints: { hit: 67, total: 67, missing: [] },
  drainedInTime: true,
}
const asked: Asked = { faults: ['kill', 'stop'], all: true, messages: null }

describe('a run counts', () => {
  it('when enough has happened in it', () => {
    expect(shortcomings(full, asked)).toEqual([])
  })

  it.each([
    [{ committed: 19_999 }, 'committed: 19999, at least 20000 in 120 s'],
    [{ kills: 39 }, 'kills: 39, at least 40 in 120 s'],
    [{ retried: 999 }, 'retried: 999, at least 1000 in 120 s'],
    [{ faults: { kill: 40, stop: 4 } }, 'fault stop: 4, at least 5 in 120 s'],
    [{ drainedInTime: false }, 'not drained in time'],
  ])('not with %j', (change, said) => {
    expect(shortcomings({ ...full, ...change }, asked)).toEqual([said])
  })

  it('by less when it was shorter, and never by nothing', () => {
    const short = { ...full, seconds: 12, committed: 2_000, kills: 4, retried: 100, faults: { kill: 4, stop: 1 } }
    expect(shortcomings(short, asked)).toEqual([])
    expect(shortcomings({ ...short, faults: { kill: 4, stop: 0 } }, asked)).toHaveLength(1)
  })

  it('by what was asked of it: fewer messages, fewer kinds of faults', () => {
    const quiet = { ...full, committed: 500, kills: 0, retried: 3, faults: {} }
    expect(shortcomings(quiet, { faults: [], all: false, messages: 500 })).toEqual([])
  })

  it('only with every crash point hit, where a full run had them among its faults', () => {
    const points = { faults: ['crash-points'], all: false, messages: null }
    const missed = {
      ...full,
      faults: { 'crash-points': 66 },
      crashPoints: { hit: 66, total: 67, missing: ['relay.afterBury'] },
    }
    expect(shortcomings(missed, points)).toEqual(['crash points: 66 of 67 hit, and not relay.afterBury'])
    expect(shortcomings({ ...missed, seconds: 119 }, points)).toEqual([])
  })
})
