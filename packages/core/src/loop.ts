import { type Clock, pause } from './clock.ts'

export interface LoopOptions {
  readonly clock: Clock
  /** Does one round and says how long to wait for the next, ms; 0 goes on at once. */
  readonly round: (signal: AbortSignal) => Promise<number>
  /** Told of each round that threw; the next comes after a delay that doubles from 50 ms to 5 s. */
  readonly onError: (error: unknown) => void
}

const firstDelayMs = 50
const longestDelayMs = 5_000

/** Work repeated until stopped, that can be woken before its time. */
export class Loop {
  readonly #options: LoopOptions
  readonly #stopping = new AbortController()
  #wake = new AbortController()
  #woken = false
  #running: Promise<void> | undefined
  #alarm: { readonly atMs: number; readonly cancel: () => void } | undefined

  constructor(options: LoopOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Ends the current wait; a round that is running is followed by another at once. */
  wake(): void {
    this.#woken = true
    // With a reason of its own no DOMException is made, stack and all, for what is no failure.
    this.#wake.abort('woken')
  }

  /** Wakes it after `delayMs`. Of several that wait the soonest counts: its round finds out about the others. */
  wakeIn(delayMs: number): void {
    const { clock } = this.#options
    const atMs = clock.now() + delayMs
    if (this.#stopping.signal.aborted || (this.#alarm !== undefined && this.#alarm.atMs <= atMs)) return
    this.#alarm?.cancel()
    const cancel = clock.after(delayMs, () => {
      this.#alarm = undefined
      this.wake()
    })
    this.#alarm = { atMs, cancel }
  }

  /** Lets the running round finish; resolves when it has. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#alarm?.cancel()
    this.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopping.signal.aborted) {
      this.#woken = false
      this.#wake = new AbortController()
      let waitMs: number
      try {
        waitMs = await this.#options.round(this.#stopping.signal)
        failures = 0
      } catch (error) {
        this.#options.onError(error)
        waitMs = Math.min(firstDelayMs * 2 ** failures++, longestDelayMs)
      }
      if (waitMs > 0 && !this.#woken) await pause(this.#options.clock, waitMs, this.#wake.signal)
    }
  }
}
