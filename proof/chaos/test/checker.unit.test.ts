import { describe, expect, it } from 'vitest'
import { check, type Effect, type Findings } from '../src/checker.ts'
import { isClean } from '../src/verdict.ts'
import { applied, runOf, step } from './histories.ts'

function counts(findings: Findings): Record<string, number> {
  return Object.fromEntries(
    Object.entries(findings)
      .map(([kind, found]: [string, readonly unknown[]]) => [kind, found.length] as const)
      .filter(([, count]) => count > 0),
  )
}

describe('the checker', () => {
  it('finds nothing in a run in which everything was applied once and in order', () => {
    const findings = check(runOf([step(1), step(2), step(3)], [applied(1, 1), applied(5, 2), applied(9, 3)]))
    expect(counts(findings)).toEqual({})
    expect(isClean(findings)).toBe(true)
  })

  it('finds what was committed and is neither applied nor dead, in each group by itself', () => {
    const whole = { group: 'b', kinds: ['step'] as const, effects: [applied(1, 1), applied(2, 2)], dead: [], parked: 0 }
    const run = runOf([step(1), step(2)], [applied(1, 1)])
    const findings = check({ ...run, groups: [...run.groups, whole] })
    expect(counts(findings)).toEqual({ lost: 1 })
    expect(findings.lost[0]).toMatchObject({ group: 'a', messages: ['m2'] })
    expect(findings.lost[0]?.text).toContain('key k, sequence 2')
  })

  it('counts dead letters of the group and of the relay as accounted for', () => {
    const run = runOf([step(1), step(2), step(3)], [applied(1, 1)], { deadAtRelay: ['m3'] }, { dead: ['m2'] })
    expect(counts(check(run))).toEqual({})
  })

  it('asks a group only for what it subscribes to', () => {
    expect(counts(check(runOf([step(1, { kind: 'call' })], [])))).toEqual({})
  })

  it('finds effects of transactions that rolled back, and of messages nobody published', () => {
    const run = runOf([step(1)], [applied(1, 1), applied(2, 2), applied(3, 3)], { attempted: new Set(['m1', 'm2']) })
    const { unexpected } = check(run)
    expect(unexpected.map(({ text }) => text)).toEqual([
      expect.stringContaining('its transaction rolled back'),
      expect.stringContaining('nobody published it'),
    ])
  })

  it('does not expect what the bus itself publishes among what producers committed', () => {
    const tick = applied(2, 1, { message: 't1', kind: 'tick', key: null, sequence: null })
    expect(counts(check(runOf([step(1)], [applied(1, 1), tick])))).toEqual({})
    expect(counts(check(runOf([step(1)], [applied(1, 1), tick, { ...tick, id: 3 }])))).toEqual({ duplicates: 1 })
  })

  it('finds what was applied twice, and names both processes', () => {
    const again = applied(2, 1, { process: 'consumer-a-2' })
    const { duplicates, inversions } = check(runOf([step(1)], [applied(1, 1), again]))
    expect(duplicates[0]?.text).toContain('2 times, by consumer-a-1 and consumer-a-2')
    // One broken promise is told once.
    expect(inversions).toEqual([])
  })

  it('finds what is applied and dead too, and what is dead twice', () => {
    expect(counts(check(runOf([step(1)], [applied(1, 1)], {}, { dead: ['m1'] })))).toEqual({ duplicates: 1 })
    expect(counts(check(runOf([step(1)], [], {}, { dead: ['m1', 'm1'] })))).toEqual({ duplicates: 1 })
  })

  it('finds effects out of sequence, by the order of the commits and not of the rows it is given', () => {
    const committed = [step(1), step(2), step(3)]
    const inOrder = [applied(9, 3), applied(1, 1), applied(5, 2)]
    expect(counts(check(runOf(committed, inOrder)))).toEqual({})
    const { inversions } = check(runOf(committed, [applied(1, 2), applied(2, 1), applied(3, 3)]))
    expect(inversions).toHaveLength(1)
    expect(inversions[0]).toMatchObject({ messages: ['m2', 'm1'] })
  })

  it('compares within a key only, and a gap is no inversion', () => {
    const other = step(1, { id: 'other', key: 'l' })
    const effects = [applied(1, 5), applied(2, 1, { message: 'other', key: 'l' }), applied(3, 9)]
    expect(counts(check(runOf([step(5), step(9), other], effects)))).toEqual({})
  })

  it('gives what is run again after its death an order of its own', () => {
    const committed = [step(1), step(2), step(3)]
    const replayed = (id: number, sequence: number): Effect => applied(id, sequence, { round: 1 })
    expect(counts(check(runOf(committed, [applied(1, 3), replayed(2, 1), replayed(3, 2)])))).toEqual({})
    expect(counts(check(runOf(committed, [applied(1, 3), replayed(2, 2), replayed(3, 1)])))).toEqual({ inversions: 1 })
  })

  it('finds what was applied before its time', () => {
    const note = step(1, { kind: 'note', key: null, sequence: null, delayMs: 1_000 })
    const at = (atMs: number): Effect => applied(1, 1, { kind: 'note', key: null, sequence: null, atMs })
    expect(counts(check(runOf([note], [at(2_000)])))).toEqual({})
    expect(counts(check(runOf([note], [at(1_999)])))).toEqual({ early: 1 })
  })

  it('finds messages that are still parked', () => {
    expect(counts(check(runOf([step(1)], [applied(1, 1)], {}, { parked: 2 })))).toEqual({ parked: 1 })
  })
})

describe('the checker of sagas', () => {
  const flow = { id: 'f', events: 2, amount: 30 }
  const flowEffect = { group: 'saga.flow', kinds: [], dead: [], parked: 0 } as const
  const closed = (id: number, amount: number): Effect =>
    applied(id, 1, { message: `c${id}`, kind: 'closed', key: 'f', sequence: null, amount })

  it('accepts a flow that was closed once with the sum of its events', () => {
    expect(counts(check(runOf([], [closed(1, 30)], { flows: [flow] })))).toEqual({})
  })

  it('finds one that was not closed, closed twice, closed with another sum, or never opened', () => {
    for (const effects of [[], [closed(1, 30), closed(2, 30)], [closed(1, 29)]]) {
      expect(counts(check(runOf([], effects, { flows: [flow] })))).toEqual({ sagas: 1 })
    }
    expect(counts(check(runOf([], [closed(1, 30)])))).toEqual({ sagas: 1 })
  })

  it('finds a timeout that came before its time, counted from the first event of its flow', () => {
    const event = (id: number, atMs: number): Effect =>
      applied(id, id, { message: `e${id}`, kind: 'flow', key: 'f', sequence: null, atMs })
    const timeout = (atMs: number): Effect =>
      applied(9, 9, { message: 't', kind: 'timeout', key: 'f', sequence: null, atMs })
    const committed = [1, 2].map((id) => step(id, { id: `e${id}`, kind: 'flow', key: null, sequence: null }))
    const runWith = (atMs: number): ReturnType<typeof runOf> =>
      runOf(committed, [], {
        groups: [{ ...flowEffect, effects: [event(2, 1_300), event(1, 1_000), timeout(atMs)] }],
      })
    expect(counts(check(runWith(1_500)))).toEqual({})
    expect(counts(check(runWith(1_499)))).toEqual({ early: 1 })
  })
})
