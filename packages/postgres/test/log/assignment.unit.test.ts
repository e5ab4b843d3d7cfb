import { describe, expect, it } from 'vitest'
import { assign, type Member, type OwnedPart } from '../../src/log/assignment.ts'
import { partOf, partsOf } from '../../src/log/parts.ts'
import { createRandom } from './random.ts'

const member = (id: string, streams: readonly number[] | null = null): Member => ({ id, streams })

function unowned(...streams: readonly [id: number, partitions: number][]): OwnedPart[] {
  return streams.flatMap(([id, partitions]) => partsOf(id, partitions).map((part) => ({ part, owner: null })))
}

function apply(assigned: ReadonlyMap<number, string>, parts: readonly OwnedPart[]): OwnedPart[] {
  return parts.map(({ part }) => ({ part, owner: assigned.get(part) ?? null }))
}

function countsOf(assigned: ReadonlyMap<number, string>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const owner of assigned.values()) counts[owner] = (counts[owner] ?? 0) + 1
  return counts
}

describe('assign', () => {
  it('gives one member everything', () => {
    expect(countsOf(assign(unowned([1, 4]), [member('a')]))).toEqual({ a: 12 })
  })

  it('gives nobody anything when nobody is there or reads the stream', () => {
    expect(assign(unowned([1, 4]), []).size).toBe(0)
    expect(assign(unowned([1, 4]), [member('a', [2])]).size).toBe(0)
  })

  it('spreads each lane of each stream evenly', () => {
    const assigned = assign(unowned([1, 4], [2, 8]), [member('a'), member('b')])
    for (const lane of [0, 1, 2]) {
      for (const stream of [1, 2]) {
        const owners = [...assigned].filter(([part]) => partOf(part).lane === lane && partOf(part).streamId === stream)
        const counts = Object.values(countsOf(new Map(owners)))
        expect(counts).toEqual([stream === 1 ? 2 : 4, stream === 1 ? 2 : 4])
      }
    }
  })

  it('spreads the odd ones over different members', () => {
    const assigned = assign(unowned([1, 1], [2, 1], [3, 1]), [member('a'), member('b'), member('c')])
    expect(countsOf(assigned)).toEqual({ a: 3, b: 3, c: 3 })
  })

  it('gives parts only to members that read their stream', () => {
    const assigned = assign(unowned([1, 2], [2, 2]), [member('old', [1]), member('new', [1, 2])])
    const owners = [...assigned].filter(([part]) => partOf(part).streamId === 2).map(([, owner]) => owner)
    expect(new Set(owners)).toEqual(new Set(['new']))
  })

  it('moves only what it must when members come and go', () => {
    let parts = unowned([1, 12])
    parts = apply(assign(parts, [member('a'), member('b')]), parts)
    const joined = assign(parts, [member('a'), member('b'), member('c')])
    const moved = parts.filter(({ part, owner }) => joined.get(part) !== owner)
    expect(moved).toHaveLength(12)
    parts = apply(joined, parts)
    const left = assign(
      parts.map(({ part, owner }) => ({ part, owner: owner === 'a' ? null : owner })),
      [member('b'), member('c')],
    )
    expect(parts.filter(({ part, owner }) => owner !== 'a' && left.get(part) !== owner)).toEqual([])
  })

  const random = createRandom()
  it(`settles at once, whatever is owned before (seed ${random.seed})`, () => {
    for (let round = 0; round < 300; round++) {
      const members = Array.from({ length: 1 + random.below(5) }, (_, index) =>
        member(`m${index}`, random.chance(0.3) ? [1 + random.below(3)] : null),
      )
      const ids = ['gone', ...members.map(({ id }) => id)]
      const parts = unowned([1, 1 + random.below(9)], [2, 1 + random.below(9)], [3, 1]).map(({ part }) => ({
        part,
        owner: random.chance(0.5) ? (ids[random.below(ids.length)] ?? null) : null,
      }))
      const assigned = assign(parts, members)
      expect(assign(apply(assigned, parts), members)).toEqual(assigned)
      // The order in which rows arrive must not matter either.
      expect(assign(parts.toReversed(), members.toReversed())).toEqual(assigned)
    }
  })
})
