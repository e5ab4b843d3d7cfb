import { describe, expect, it } from 'vitest'
import type { Page, ReadPoint } from '../../src/log/read-query.ts'
import { type Entry, Window } from '../../src/log/window.ts'
import { createRandom } from './random.ts'

const start: ReadPoint = { gen: 1, prev: '1:1:', target: null, after: '0' }
const windowOf = (suspects = 0, reach = 1_000, done: readonly string[] = [], suspectsTo = '1000000') =>
  new Window({ part: 1_024, point: start, done, suspects, suspectsTo, reach })

/** A page of positions; those in `passed` are of types that nobody asked for. */
function page(target: string, positions: readonly number[], passed: readonly number[] = []): Page {
  const body = new Uint8Array(10)
  const rows = positions.map((pos) => ({
    pos: String(pos),
    point: { ...start, target, after: String(pos) },
    message: passed.includes(pos) ? null : { id: `${pos}`, type: 't', key: 'k', headers: {}, body },
  }))
  return { rows, next: { gen: 1, prev: target, target: null, after: '0' }, more: false }
}

function takeAll(window: Window): Entry[] {
  const entries: Entry[] = []
  for (let entry = window.take(); entry !== undefined; entry = window.take()) entries.push(entry)
  return entries
}

describe('a window', () => {
  it('moves to the last message below which all are acked', () => {
    const window = windowOf()
    window.add(page('9:9:', [1, 2, 3, 4]))
    const [first, second, third, fourth] = takeAll(window) as [Entry, Entry, Entry, Entry]
    window.ack(third)
    expect(window.low).toEqual(start)
    window.ack(first)
    expect(window.low).toEqual({ ...start, target: '9:9:', after: '1' })
    window.ack(second)
    expect(window.low.after).toBe('3')
    window.ack(fourth)
    // The end of the window is the beginning of the next.
    expect(window.low).toEqual({ gen: 1, prev: '9:9:', target: null, after: '0' })
    expect(window.finished).toBe(4)
  })

  it('moves over pages that bring nothing, and over messages nobody asked for', () => {
    const window = windowOf()
    window.add(page('5:5:', []))
    expect(window.low.prev).toBe('5:5:')
    window.add(page('9:9:', [1, 2, 3], [1, 2, 3]))
    expect(window.low.prev).toBe('9:9:')
    window.add(page('12:12:', [4, 5, 6], [4, 6]))
    expect(window.low.prev).toBe('9:9:')
    const [entry] = takeAll(window) as [Entry]
    window.ack(entry)
    expect(window.low.prev).toBe('12:12:')
    expect(window.waitingBytes).toBe(0)
  })

  it('gives what came back again before what comes after it', () => {
    const window = windowOf()
    window.add(page('9:9:', [1, 2, 3, 4]))
    const [, second, third] = [window.take(), window.take(), window.take()] as [Entry, Entry, Entry]
    window.release(third)
    window.release(second)
    expect(takeAll(window).map(({ message }) => message?.id)).toEqual(['2', '3', '4'])
    expect(window.low).toEqual(start)
  })

  it('marks as many messages as an earlier owner may have begun', () => {
    const window = windowOf(3)
    window.add(page('9:9:', [1, 2]))
    window.add(page('10:10:', [3, 4]))
    const entries = takeAll(window)
    expect(entries.map(({ redelivered }) => redelivered)).toEqual([true, true, true, false])
    expect(window.suspects).toBe(3)
    window.ack(entries[2] as Entry)
    expect(window.suspects).toBe(2)
    window.ack(entries[0] as Entry)
    expect(window.suspects).toBe(1)
    window.ack(entries[1] as Entry)
    expect(window.suspects).toBe(0)
  })

  it('marks nothing that was appended after the claim, nor what is read after that', () => {
    const window = windowOf(10, 1_000, [], '5')
    window.add(page('9:9:', [1, 4]))
    // Position 2 was drawn before the claim and committed after it: no earlier owner has seen it.
    window.add(page('10:10:', [6]))
    window.add(page('11:11:', [2, 7]))
    expect(takeAll(window).map(({ redelivered }) => redelivered)).toEqual([true, true, false, false, false])
    expect(window.suspects).toBe(2)
  })

  it('delivers no more than it has promised, until the next save', () => {
    const window = windowOf(0, 3)
    window.add(page('9:9:', [1, 2, 3, 4, 5, 6]))
    const entries = takeAll(window)
    expect(entries).toHaveLength(3)
    expect(window.begun).toBe(3)
    window.ack(entries[0] as Entry)
    expect(window.take()).toBeUndefined()
    window.saved(window.finished, window.begun + 2)
    expect(takeAll(window)).toHaveLength(2)
  })

  it('knows what is done past the cursor, and passes over it', () => {
    const before = windowOf()
    before.add(page('9:9:', [1, 2, 3, 4, 5]))
    const entries = takeAll(before)
    before.ack(entries[1] as Entry)
    before.ack(entries[3] as Entry)
    expect(before.doneAhead(10)).toEqual(['2', '4'])
    const after = windowOf(3, 1_000, before.doneAhead(10))
    after.add(page('9:9:', [1, 2, 3]))
    expect(after.doneAhead(10)).toEqual(['2', '4'])
    expect(takeAll(after).map(({ message, redelivered }) => [message?.id, redelivered])).toEqual([
      ['1', true],
      ['3', true],
    ])
    after.add(page('10:10:', [4, 5]))
    expect(takeAll(after).map(({ message, redelivered }) => [message?.id, redelivered])).toEqual([['5', false]])
    expect(after.doneAhead(1)).toEqual(['2'])
  })

  const random = createRandom()
  it(`delivers each message until it is acked, in order of first delivery (seed ${random.seed})`, () => {
    const window = windowOf(0, 1_000_000)
    const held: Entry[] = []
    const acked = new Set<string>()
    const firsts: number[] = []
    let position = 0
    for (let step = 0; step < 20_000; step++) {
      const dice = random.next()
      if (dice < 0.1 && position < 3_000) {
        const positions = Array.from({ length: random.below(5) }, () => ++position)
        window.add(page(`${step + 2}:${step + 2}:`, positions))
      } else if (dice < 0.5) {
        const entry = window.take()
        if (entry === undefined) continue
        held.push(entry)
        if (entry.index >= firsts.length) firsts.push(entry.index)
      } else if (held.length > 0) {
        const [entry] = held.splice(random.below(held.length), 1) as [Entry]
        if (random.chance(0.2)) window.release(entry)
        else {
          acked.add(entry.message?.id ?? 'none')
          window.ack(entry)
        }
      }
    }
    held.push(...takeAll(window))
    for (const entry of held.splice(0)) {
      acked.add(entry.message?.id ?? 'none')
      window.ack(entry)
    }
    for (const entry of takeAll(window)) {
      acked.add(entry.message?.id ?? 'none')
      window.ack(entry)
    }
    expect(acked.size).toBe(position)
    expect(firsts).toEqual(firsts.toSorted((one, other) => one - other))
    expect(window).toMatchObject({ finished: position, begun: 0, waiting: 0, waitingBytes: 0, low: window.readPoint })
  })
})
