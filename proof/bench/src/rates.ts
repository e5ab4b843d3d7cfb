import type { DrainSlice } from './contestants/contestant.ts'
import type { Bench } from './measure.ts'
import { median } from './statistics.ts'

/** Handlers and connections at once where something is drained, unless a measure says otherwise. */
const drainAtOnce = 8

/** A slice of draining: the first half second of a consumer that has just been started does not count. */
export function drainSlice({ sliceMs, options }: Bench, shared: number): DrainSlice {
  return { ms: sliceMs, warmMs: options.quick ? 100 : 500, atOnce: drainAtOnce, shared }
}

/** How much waits before each round. */
export function backlogOf({ options }: Bench): number {
  return options.quick ? 20_000 : 100_000
}

/** The median over the rounds, by name. */
export function figuresOf(rates: Readonly<Record<string, readonly number[]>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(rates).map(([name, perRound]) => [name, median(perRound)]))
}
