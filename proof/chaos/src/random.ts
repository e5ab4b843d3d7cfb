import { createHash } from 'node:crypto'

/** A sequence of numbers that a seed and a purpose decide, whatever else is drawn meanwhile. */
export interface Random {
  /** From 0 up to 1. */
  next: () => number
  /** From `low` up to `high`, without `high`. */
  between: (low: number, high: number) => number
  /** A whole number from `low` to `high`. */
  whole: (low: number, high: number) => number
  chance: (probability: number) => boolean
  /** One of the list; undefined when it is empty. */
  pick<Item>(list: readonly Item[]): Item | undefined
}

export function createRandom(seed: number, purpose: string): Random {
  // Mulberry32: a few instructions a number, as producers draw thousands a second; a hash only mixes seed and purpose.
  let state = createHash('sha256').update(`${seed}\u0000${purpose}`).digest().readUInt32LE()
  function next(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (low: number, high: number): number => low + next() * (high - low)
  return {
    next,
    between,
    whole: (low, high) => Math.floor(between(low, high + 1)),
    chance: (probability) => next() < probability,
    pick: (list) => list[Math.floor(next() * list.length)],
  }
}
