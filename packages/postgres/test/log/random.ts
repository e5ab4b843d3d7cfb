/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
export interface Random {
  readonly seed: number
  /** 0 to 1. */
  next(): number
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  chance(probability: number): boolean
}

/** Seeded by ACUSE_SEED where it is set. The seed belongs into the name of what fails. */
export function createRandom(seed: number = Number(process.env['ACUSE_SEED'] ?? Date.now() % 1_000_000)): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return { seed, next, below: (end) => Math.floor(next() * end), chance: (probability) => next() < probability }
}
