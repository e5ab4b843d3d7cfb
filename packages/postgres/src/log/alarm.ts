import type { Clock } from '@acuse/core'

/** Runs one piece of work at the earliest time asked for, and never twice at once. */
export class Alarm {
  readonly #clock: Clock
  readonly #work: () => Promise<void>
  readonly #onError: (error: unknown) => void
  #cancel: (() => void) | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined
  #stopped = false

  constructor(clock: Clock, work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#clock = clock
    this.#work = work
    this.#onError = onError
  }

  /** Asks for a run in at most `inMs`. During a run it means another one after it. */
  ring(inMs: number): void {
    if (this.#stopped) return
    // The wall clock may jump; a wake-up must not get lost by it.
    const dueAt = performance.now() + inMs
    if (dueAt >= this.#dueAt) return
    this.#dueAt = dueAt
    if (this.#running === undefined) this.#set()
  }

  /** Runs at once, and rejects with what fails. What is asked for meanwhile comes after it. */
  async first(): Promise<void> {
    await this.#running
    this.#cancel?.()
    this.#dueAt = Number.POSITIVE_INFINITY
    const work = this.#work()
    this.#running = work.catch(() => undefined)
    await work.finally(() => this.#ran())
  }

  /** Runs nothing any more; resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    await this.#running
  }

  #set(): void {
    this.#cancel?.()
    this.#cancel = this.#clock.after(Math.max(0, this.#dueAt - performance.now()), () => {
      this.#running = this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#cancel = undefined
    try {
      await this.#work()
    } catch (error) {
      this.#onError(error)
    }
    this.#ran()
  }

  #ran(): void {
    this.#running = undefined
    if (this.#dueAt !== Number.POSITIVE_INFINITY && !this.#stopped) this.#set()
  }
}
