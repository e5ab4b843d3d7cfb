import { AcuseError } from '@acuse/core'
import { isReadOnly, toldOf } from '../db-errors.ts'

const repeatAfterMs = 60_000

/** Reports failures of background work: the first of each kind at once, the same kind again after a minute at the earliest. */
export class Reporter {
  readonly #onError: (error: AcuseError) => void
  readonly #lastAt = new Map<string, number>()

  constructor(onError: (error: AcuseError) => void) {
    this.#onError = onError
  }

  report(kind: string, error: AcuseError): void {
    const lastAt = this.#lastAt.get(kind)
    const now = performance.now()
    if (lastAt !== undefined && now - lastAt < repeatAfterMs) return
    this.#lastAt.set(kind, now)
    this.#onError(error)
  }

  /** A failure of something that will be tried again. */
  failed(what: string, error: unknown): void {
    this.report(what, asUnavailable(what, error))
  }

  /** The work succeeded: its next failure is news again. */
  recovered(what: string): void {
    this.#lastAt.delete(what)
  }
}

/** Passes an error of Acuse on; anything else becomes one that may be retried. */
export function asUnavailable(what: string, error: unknown): AcuseError {
  if (error instanceof AcuseError) return error
  const code = isReadOnly(error) ? 'ACUSE_READ_ONLY' : 'ACUSE_TRANSPORT_UNAVAILABLE'
  return new AcuseError(code, `${what} failed: ${toldOf(error)}`, { cause: error })
}
