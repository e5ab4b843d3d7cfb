/** Lets at most `limit` callers in at once, in the order they came. */
export class Semaphore {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get free(): number {
    return Math.max(0, this.#limit - this.#inside - this.#waiting.length)
  }

  async run<R>(work: () => Promise<R>): Promise<R> {
    if (this.#inside >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inside++
    try {
      return await work()
    } finally {
      // The place is handed on, so that nobody who comes later can take it first.
      const next = this.#waiting.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
