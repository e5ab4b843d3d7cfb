/** A source of random numbers that gives the same ones for the same seed. */
export interface SimulationRandom {
  /** From 0, below 1. */
  number(): number
  /** From `least` to `most`, both included. */
  integer(least: number, most: number): number
  /** Whether something of this probability happens now. */
  chance(probability: number): boolean
  /** Throws `RangeError` for an empty list. */
  pick<Item>(list: readonly Item[]): Item
  /** A source of its own: what is drawn from it changes nothing here. The same name gives the same one. */
  fork(name: string): SimulationRandom
}

/** Makes a source from a seed, which may be any text. */
export function createRandom(seed: string): SimulationRandom {
  const next = mulberry32(hashOf(seed))
  return {
    number: next,
    integer: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => next() < probability,
    pick(list) {
      if (list.length === 0) throw new RangeError('There is nothing to pick from.')
      // The index is within the list, which may well hold undefined.
      return list[Math.floor(next() * list.length)] as (typeof list)[number]
    },
    fork: (name) => createRandom(`${seed}/${name}`),
  }
}

/** Tommy Ettinger's mulberry32: 32 bits of state are plenty for the few thousand draws of one stream. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** FNV-1a with a final mix, so that neighbouring seeds have nothing in common. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) | 0
}
