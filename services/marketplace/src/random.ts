import { createHash } from 'node:crypto'

/** Numbers that a seed decides. */
export interface Random {
  /** From `low` up to `high`, without `high`. */
  between: (low: number, high: number) => number
  /** One of the list; it must not be empty. */
  pick<Item>(list: readonly Item[]): Item
}

/**
 * A number from 0 up to 1 that seed, purpose and key decide, whatever was asked before: two runs with one seed treat an
 * order alike even if they place their orders in another sequence.
 */
export function chance(seed: number, purpose: string, key: string): number {
  const digest = createHash('sha256').update(`${seed}\u0000${purpose}\u0000${key}`).digest()
  return digest.readUIntBE(0, 6) / 2 ** 48
}

/** A sequence of numbers that is the same for the same seed and purpose. */
export function createRandom(seed: number, purpose: string): Random {
  let drawn = 0
  const next = (): number => {
    drawn += 1
    return chance(seed, purpose, String(drawn))
  }
  return {
    between: (low, high) => low + next() * (high - low),
    pick(list) {
      const item = list[Math.floor(next() * list.length)]
      if (item === undefined) throw new RangeError('there is nothing to pick from')
      return item
    },
  }
}
