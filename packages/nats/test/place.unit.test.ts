import { describe, expect, it } from 'vitest'
import { Place, placesOf } from '../src/place.ts'

const nothing: ReadonlySet<number> = new Set()

describe('a place', () => {
  it('holds what has come and is not done, and nothing of what is', () => {
    const place = new Place({ last: 0, open: [] }, nothing)
    for (const sequence of [3, 4, 9]) place.arrived(sequence, 10)
    place.done(4)
    place.done(9)
    expect(place.record(true)).toEqual({ last: 9, open: [3] })
    expect(place.openBytes).toBe(10)
    place.done(3)
    place.done(3)
    expect(place.record(true)).toEqual({ last: 9, open: [] })
    expect(place.openBytes).toBe(0)
  })

  it('stays small however long one message takes', () => {
    const place = new Place({ last: 0, open: [] }, nothing)
    place.arrived(1, 1)
    for (let sequence = 2; sequence <= 10_000; sequence++) {
      place.arrived(sequence, 1)
      place.done(sequence)
    }
    expect(place.record(true)).toEqual({ last: 10_000, open: [1] })
  })

  it('keeps in doubt what an earlier owner may have begun, also when it comes again', () => {
    const place = new Place({ last: 9, open: [7, 3] }, new Set([7]))
    expect(place.open).toEqual([3, 7])
    for (const sequence of place.open) place.arrived(sequence, 5)
    expect([3, 7].map((sequence) => place.isSuspect(sequence))).toEqual([false, true])
    expect(place.openBytes).toBe(10)
  })

  it('is cut where the stream ends sooner', () => {
    const place = new Place({ last: 9, open: [3, 7] }, nothing)
    expect(place.cutTo(9)).toBe(false)
    expect(place.cutTo(5)).toBe(true)
    expect(place.record(true)).toEqual({ last: 5, open: [3] })
  })
})

describe('what is noted as begun', () => {
  it('is ahead of what has come, so that what comes next need not wait, and the further the faster it goes', () => {
    const place = new Place({ last: 10, open: [] }, nothing)
    expect(place.isNearlyNoted).toBe(true)
    place.stored(place.record(false))
    expect([place.isNoted(74), place.isNoted(75), place.isNearlyNoted]).toEqual([true, false, false])
    for (let sequence = 11; sequence <= 43; sequence++) place.arrived(sequence, 1)
    expect(place.isNearlyNoted).toBe(true)
    for (let sequence = 44; sequence <= 510; sequence++) place.arrived(sequence, 1)
    place.stored(place.record(false))
    expect([place.isNoted(1_510), place.isNoted(1_511)]).toEqual([true, false])
  })

  it('stays in doubt for the next owner until it has come, whoever lets go of it', () => {
    const after = new Place({ last: 10, open: [], ahead: 74 }, nothing)
    for (const sequence of [12, 74, 75]) after.arrived(sequence, 1)
    expect([12, 74, 75].map((sequence) => after.isSuspect(sequence))).toEqual([true, true, false])
    const early = new Place({ last: 10, open: [], ahead: 74 }, nothing)
    early.arrived(12, 1)
    expect(early.record(true)).toEqual({ last: 12, open: [12], ahead: 74 })
  })

  it('is nothing more once its owner has let go', () => {
    const place = new Place({ last: 10, open: [] }, nothing)
    place.arrived(11, 1)
    expect(place.record(false)).toEqual({ last: 11, open: [11], ahead: 75 })
    expect(place.record(true)).toEqual({ last: 11, open: [11] })
  })
})

describe('places of lanes', () => {
  it('are those that were kept, with what was open in doubt where its owner did not let go', () => {
    const lanes = { all: { last: 9, open: [3, 7] } }
    const died = placesOf(['all'], { lanes, doubt: null }).get('all')
    const letGo = placesOf(['all'], { lanes, doubt: [7] }).get('all')
    expect([3, 7].map((sequence) => died?.isSuspect(sequence))).toEqual([true, true])
    expect([3, 7].map((sequence) => letGo?.isSuspect(sequence))).toEqual([false, true])
  })

  it('go on where all of the lanes were that it was read by before, and leave out nothing that was open', () => {
    const split = placesOf(['normal', 'high'], { lanes: { all: { last: 9, open: [3, 7] } }, doubt: [] })
    expect([...split].map(([lane, place]) => [lane, place.record(true)])).toEqual([
      ['normal', { last: 9, open: [3, 7] }],
      ['high', { last: 9, open: [3, 7] }],
    ])
    const lanes = { normal: { last: 9, open: [3] }, high: { last: 20, open: [5, 18] } }
    const joined = placesOf(['all'], { lanes, doubt: [] })
    // 18 comes by itself, after 9.
    expect(joined.get('all')?.record(true)).toEqual({ last: 9, open: [3, 5] })
  })
})
