import { setTimeout as delay } from 'node:timers/promises'

import { messageOf } from '@acuse/core'

import { ServiceProcess } from './service-process.ts'
import type { ServiceOptions, ServiceState } from './service-process.ts'

/** A start fails while the database is away; it is tried again for so long. */
const START_WITHIN_MS = 60_000
const TRY_AGAIN_MS = 300

export interface KeptOptions extends Omit<ServiceOptions, 'onUnexpectedEnd'> {
  /** Told in words when the process had to be brought back. */
  note: (text: string) => void
}

/** A service that is brought back whenever its process ends without having been asked to. */
export class KeptService {
  readonly name: string
  readonly url: string
  readonly #note: (text: string) => void
  readonly #process: ServiceProcess
  #wanted = false
  #starting: Promise<void> | undefined

  constructor({ note, ...options }: KeptOptions) {
    this.#note = note
    this.#process = new ServiceProcess({ ...options, onUnexpectedEnd: (how) => this.#bringBack(how) })
    this.name = this.#process.name
    this.url = this.#process.url
  }

  get state(): ServiceState {
    return this.#process.state
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Starts it once; rejects when it does not come up. */
  async startOnce(): Promise<void> {
    this.#wanted = true
    await this.#process.start()
  }

  /** Settles when it is up; a start that fails is repeated for a minute. */
  start(): Promise<void> {
    this.#wanted = true
    this.#starting ??= this.#startAgain().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async kill(): Promise<void> {
    this.#wanted = false
    await this.#process.kill()
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#wanted = false
    const wasUp = this.state === 'up'
    const drained = await this.#process.stop(deadlineMs)
    if (wasUp && !drained) this.#note(`${this.name} did not drain in ${deadlineMs} ms; its log is ${this.#process.log}`)
    return drained
  }

  freeze(): void {
    this.#process.freeze()
  }

  thaw(): void {
    this.#process.thaw()
  }

  killNow(): void {
    this.#process.killNow()
  }

  async #startAgain(): Promise<void> {
    const endsAt = performance.now() + START_WITHIN_MS
    while (this.#wanted && this.state !== 'up') {
      try {
        await this.#process.start()
      } catch (error) {
        if (!this.#wanted) return
        if (performance.now() >= endsAt) throw error
        this.#note(`${messageOf(error)}; it is started again`)
        await delay(TRY_AGAIN_MS)
      }
    }
  }

  #bringBack(how: string): void {
    if (!this.#wanted) return
    this.#note(`${this.name} ended by itself (${how}) and is started again; its log is ${this.#process.log}`)
    this.start().catch((error: unknown) => this.#note(`${this.name} does not come back: ${messageOf(error)}`))
  }
}
