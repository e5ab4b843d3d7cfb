import type { AcuseError } from '@acuse/core'
import { asAcuseError } from './errors.ts'

/** Tells of what fails in the background: once, until it succeeds again or fails in another way. */
export class Reporter {
  readonly #onError: (error: AcuseError) => void
  readonly #failing = new Map<string, string>()

  constructor(onError: (error: AcuseError) => void) {
    this.#onError = onError
  }

  failed(what: string, thrown: unknown): void {
    const error = asAcuseError(thrown, what)
    if (this.#failing.get(what) === error.message) return
    this.#failing.set(what, error.message)
    this.#onError(error)
  }

  recovered(what: string): void {
    this.#failing.delete(what)
  }
}
