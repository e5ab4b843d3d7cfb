import type { Counted } from './contestants/contestant.ts'

/** Runs `once` over and over in `atOnce` loops for `ms`; what ends after that is not counted. */
export async function repeat(
  { ms, atOnce }: { readonly ms: number; readonly atOnce: number },
  once: (n: number, loop: number) => Promise<number>,
): Promise<Counted> {
  const startedAt = performance.now()
  const endsAt = startedAt + ms
  let n = 0
  let count = 0
  const loop = async (_: unknown, index: number): Promise<void> => {
    while (performance.now() < endsAt) {
      const done = await once(n++, index)
      if (performance.now() <= endsAt) count += done
    }
  }
  await Promise.all(Array.from({ length: atOnce }, loop))
  return { count, ms }
}

/** Nothing is left where nothing was handled for so long. */
const silenceMs = 1_000
/** A consumer that has begun brings its first message sooner than this. */
const longestFirstMs = 60_000

/**
 * Counts what is handled within `ms`, after `warmMs` that begin with the first; or until nothing is left, where that is sooner. Where
 * nothing is left before the time begins that counts, all of it counts.
 */
export class Tally {
  readonly #warmMs: number
  readonly #ms: number
  readonly #whole = Promise.withResolvers<Counted>()
  #startsAt = 0
  #endsAt = 0
  #lastAt = 0
  #beganAt = 0
  #looking: NodeJS.Timeout | undefined
  #count = 0
  #seen = 0

  constructor({ ms, warmMs }: { readonly ms: number; readonly warmMs: number }) {
    this.#ms = ms
    this.#warmMs = warmMs
  }

  /** All that was handled, also outside the time that counts. */
  get seen(): number {
    return this.#seen
  }

  /** Resolves once the time is over and something more was handled, or when nothing is left. Rejects when nothing comes at all. */
  get result(): Promise<Counted> {
    this.#beganAt = performance.now()
    this.#looking ??= setInterval(() => this.#look(), silenceMs / 4)
    return this.#whole.promise
  }

  get isOver(): boolean {
    return this.#endsAt > 0 && performance.now() > this.#endsAt
  }

  add(handled = 1): void {
    const now = performance.now()
    this.#seen += handled
    if (this.#endsAt === 0) {
      this.#startsAt = now + this.#warmMs
      this.#endsAt = this.#startsAt + this.#ms
    }
    this.#lastAt = now
    if (now > this.#endsAt) this.#end(this.#ms)
    else if (now >= this.#startsAt) this.#count += handled
  }

  #look(): void {
    if (this.#endsAt === 0) {
      if (performance.now() - this.#beganAt < longestFirstMs) return
      clearInterval(this.#looking)
      this.#whole.reject(new Error(`No message came within ${longestFirstMs} ms.`))
    } else if (performance.now() - this.#lastAt > silenceMs) this.#endEarly()
  }

  #endEarly(): void {
    if (this.#lastAt > this.#startsAt) return this.#end(this.#lastAt - this.#startsAt)
    this.#count = this.#seen
    this.#end(Math.max(1, this.#lastAt - (this.#startsAt - this.#warmMs)))
  }

  #end(ms: number): void {
    clearInterval(this.#looking)
    this.#whole.resolve({ count: this.#count, ms, all: this.#seen })
  }
}
