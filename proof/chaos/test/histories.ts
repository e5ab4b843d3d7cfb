import type { Committed, Effect, GroupHistory, RunHistory } from '../src/checker.ts'

/** A committed step of key k. */
export function step(sequence: number, changes: Partial<Committed> = {}): Committed {
  return {
    id: `m${sequence}`,
    kind: 'step',
    key: 'k',
    sequence,
    fate: 'ok',
    delayMs: null,
    flow: null,
    atMs: 1_000,
    ...changes,
  }
}

/** The effect of a step of key k; `id` is its place among all effects of the group. */
export function applied(id: number, sequence: number, changes: Partial<Effect> = {}): Effect {
  return {
    id,
    message: `m${sequence}`,
    kind: 'step',
    key: 'k',
    sequence,
    amount: null,
    round: 0,
    process: 'consumer-a-1',
    atMs: 2_000,
    ...changes,
  }
}

/** A run in which one group has applied what it was sent. */
export function runOf(
  committed: readonly Committed[],
  effects: readonly Effect[],
  changes: Partial<RunHistory> = {},
  group: Partial<GroupHistory> = {},
): RunHistory {
  return {
    committed,
    attempted: new Set(committed.map(({ id }) => id)),
    deadAtRelay: [],
    groups: [{ group: 'a', kinds: ['step', 'note'], effects, dead: [], parked: 0, ...group }],
    flows: [],
    saga: 'saga.flow',
    sagaTimeoutMs: 500,
    ...changes,
  }
}
