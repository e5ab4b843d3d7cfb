import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { mostSpan, PartitionWindow, type StoredPlace } from '../src/window.ts'

const mostMetadataBytes = 4_096
const nowhere: StoredPlace = { offset: 0, metadata: '' }

/** Offsets that an owner after this place gets, up to `end`. */
function left(place: StoredPlace, end: number): number[] {
  const window = new PartitionWindow(place)
  const all = Array.from({ length: end - place.offset }, (_, index) => place.offset + index)
  return all.filter((offset) => !window.isDone(offset))
}

describe('the place of a group in a partition', () => {
  it('what was acked in any order is done for whoever is next, and nothing else is', () => {
    const acks = fc.uniqueArray(fc.integer({ min: 0, max: 199 }))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000_000 }), acks, fc.boolean(), (first, acked, clean) => {
        const window = new PartitionWindow({ offset: first, metadata: '' })
        for (let index = 0; index < 200; index++) window.give(first + index)
        for (const index of acked) window.settle(first + index)
        const place = clean ? window.lastPlace([]) : window.place(50)
        const open = Array.from({ length: 200 }, (_, index) => index).filter((index) => !acked.includes(index))
        assert.deepEqual(
          left(place, first + 200),
          open.map((index) => first + index),
        )
      }),
    )
  })

  it('stays what it is when it is taken over again and again', () => {
    let place: StoredPlace = nowhere
    const window = new PartitionWindow(place)
    for (let offset = 0; offset < 10; offset++) window.give(offset)
    for (const offset of [3, 7, 8]) window.settle(offset)
    place = window.lastPlace([])
    for (let turn = 0; turn < 3; turn++) place = new PartitionWindow(place).lastPlace([])
    assert.deepEqual(left(place, 10), [0, 1, 2, 4, 5, 6, 9])
  })

  it('fits into what a broker keeps with an offset, whatever is acked', () => {
    const window = new PartitionWindow(nowhere)
    window.stored({ reach: mostSpan })
    for (let offset = 0; window.headroom > 0; offset++) window.give(offset)
    for (let offset = 1; offset < mostSpan; offset += 2) window.settle(offset)
    const place = window.place(600)
    assert.ok(Buffer.byteLength(place.metadata) <= mostMetadataBytes)
    assert.equal(left(place, mostSpan).length, mostSpan / 2)
  })

  it('gives no more than is stored that it may be begun, and never so much that it could not be stored', () => {
    const window = new PartitionWindow({ offset: 100, metadata: '' })
    assert.equal(window.headroom, 0)
    window.stored({ reach: 160 })
    assert.equal(window.headroom, 60)
    window.stored({ reach: 1_000_000 })
    assert.equal(window.headroom, mostSpan)
    assert.equal(window.needsReach(100), false)
  })

  it('after a crash everything below its reach may have been begun, up to the end of the partition', () => {
    const window = new PartitionWindow(nowhere)
    window.stored({ reach: 50 })
    for (let offset = 0; offset < 5; offset++) window.give(offset)
    const next = new PartitionWindow(window.place(50))
    assert.ok(next.isSuspect(4) && next.isSuspect(54) && !next.isSuspect(55))
    next.endsAt(7)
    assert.ok(next.isSuspect(6) && !next.isSuspect(7))
  })

  it('let go of cleanly nothing was begun but what is in doubt', () => {
    const window = new PartitionWindow(nowhere)
    window.stored({ reach: 50 })
    for (let offset = 0; offset < 5; offset++) window.give(offset)
    assert.equal(new PartitionWindow(window.lastPlace([])).isSuspect(0), false)
    const next = new PartitionWindow(window.lastPlace([2]))
    assert.ok(next.isSuspect(2) && !next.isSuspect(3))
  })

  it('what an earlier owner may have begun stays in doubt until it is done', () => {
    const crashed = new PartitionWindow(nowhere)
    crashed.stored({ reach: 10 })
    crashed.give(0)
    const second = new PartitionWindow(crashed.place(3))
    second.endsAt(4)
    const third = new PartitionWindow(second.lastPlace([]))
    assert.ok(third.isSuspect(0) && third.isSuspect(3) && !third.isSuspect(4))
    for (let offset = 0; offset < 4; offset++) third.give(offset)
    for (let offset = 0; offset < 4; offset++) third.settle(offset)
    assert.equal(new PartitionWindow(third.lastPlace([])).isSuspect(4), false)
  })

  it('passes over what is no message of the group, and over what was deleted', () => {
    const window = new PartitionWindow(nowhere)
    window.stored({ reach: 100 })
    window.give(2)
    window.pass(10)
    assert.equal(window.low, 2)
    assert.deepEqual(left(window.place(0), 10), [2])
    window.settle(2)
    assert.equal(window.low, 10)
  })

  it('takes what somebody else has written beside an offset for nothing', () => {
    for (const metadata of ['', 'set by hand', 'acuse1:', 'acuse1:zz:%%', 'acuse9:1:AA']) {
      const window = new PartitionWindow({ offset: 5, metadata })
      assert.equal(window.isDone(5), false)
      assert.equal(window.isSuspect(5), false)
    }
  })
})
