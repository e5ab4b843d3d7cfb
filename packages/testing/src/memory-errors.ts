import { AcuseError, codeOf, type StoreErrorKind } from '@acuse/core'

/** Two transactions stood in each other's way: a deadlock, or rows read by one and changed by the other. Repeat the transaction. */
export class MemoryConflictError extends Error {
  readonly code = 'MEMORY_CONFLICT'

  constructor(what: string) {
    super(`The in-memory transaction conflicts with another one: ${what}.`)
    this.name = 'MemoryConflictError'
  }
}

/** What an error means for the message being handled, by its own code or that of its causes. */
export function classifyMemoryError(error: unknown): StoreErrorKind {
  // Five causes are more than any driver nests; the bound is for errors that are their own cause.
  for (let cause = error, depth = 0; cause !== undefined && depth < 5; depth++) {
    const code = codeOf(cause)
    if (code === 'MEMORY_CONFLICT') return 'conflict'
    if (code === 'ACUSE_STORE_UNAVAILABLE' || code === 'ACUSE_READ_ONLY') return 'unavailable'
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return 'other'
}

export function abortedError(cause: unknown): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSACTION_ABORTED',
    'A statement of this transaction failed earlier, so nothing of it can be committed. Let the first error reach the caller.',
    { cause },
  )
}

export function storeGoneError(instance: string): AcuseError {
  return new AcuseError('ACUSE_STORE_UNAVAILABLE', `The in-memory store of ${instance} is closed or has crashed.`)
}
