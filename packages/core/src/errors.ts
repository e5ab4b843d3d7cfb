/** Every error code of Acuse, with whether doing the same again can succeed. `docs/errors.md` says what to do about each. */
export const errorCodes = {
  ACUSE_NOT_IN_TRANSACTION: { retryable: false },
  ACUSE_PUBLISH_AFTER_HANDLER: { retryable: false },
  ACUSE_NOT_STARTED: { retryable: false },
  ACUSE_ALREADY_STARTED: { retryable: false },
  ACUSE_CONFIGURATION: { retryable: false },
  ACUSE_DUPLICATE_HANDLER: { retryable: false },
  ACUSE_SCHEMA_MISMATCH: { retryable: false },
  ACUSE_UNENCODABLE: { retryable: false },
  ACUSE_UNDECODABLE: { retryable: false },
  ACUSE_UNKNOWN_TYPE: { retryable: false },
  ACUSE_UNKNOWN_VERSION: { retryable: false },
  ACUSE_MESSAGE_TOO_LARGE: { retryable: false },
  ACUSE_HANDLER_DECIDED: { retryable: true },
  ACUSE_HANDLER_TIMEOUT: { retryable: true },
  ACUSE_TRANSACTION_ABORTED: { retryable: true },
  ACUSE_CRASHED: { retryable: true },
  ACUSE_LEASE_LOST: { retryable: true },
  ACUSE_SAGA_CONFLICT: { retryable: true },
  ACUSE_DEPENDENCY_DOWN: { retryable: true },
  ACUSE_BREAKER_OPEN: { retryable: true },
  ACUSE_STORE_UNAVAILABLE: { retryable: true },
  ACUSE_TRANSPORT_UNAVAILABLE: { retryable: true },
  ACUSE_DESTINATION_UNAVAILABLE: { retryable: true },
  ACUSE_PUBLISH_TIMEOUT: { retryable: true },
  ACUSE_UNROUTABLE: { retryable: true },
  ACUSE_EXPIRED: { retryable: false },
  ACUSE_STREAM_MISMATCH: { retryable: false },
  ACUSE_UNSAFE_SETTING: { retryable: false },
  ACUSE_READ_ONLY: { retryable: true },
  ACUSE_CONNECTION_BUDGET: { retryable: false },
  ACUSE_MIGRATION_PENDING: { retryable: false },
  ACUSE_MIGRATION_FAILED: { retryable: true },
  ACUSE_EMBEDDED_SERVER: { retryable: true },
  ACUSE_MISSING_PACKAGE: { retryable: false },
  ACUSE_DRAIN_TIMEOUT: { retryable: false },
  ACUSE_REPLAY_REFUSED: { retryable: false },
  ACUSE_HISTORY_GONE: { retryable: false },
} as const

export type ErrorCode = keyof typeof errorCodes

/** The base of every error Acuse throws. The message says what happened, to what, and what to do. */
export class AcuseError extends Error {
  readonly code: ErrorCode
  /** Whether doing the same again can succeed without anybody changing anything. */
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'AcuseError'
    this.code = code
    this.retryable = errorCodes[code].retryable
  }
}

/** Thrown by `publish` when it is given a pool, a data source, or a client whose transaction is over. */
export class NotInTransactionError extends AcuseError {
  constructor(what: string) {
    super(
      'ACUSE_NOT_IN_TRANSACTION',
      `publish needs an open transaction, but was given ${what}. Open a transaction and pass its client, or use publishNow.`,
    )
    this.name = 'NotInTransactionError'
  }
}

/** Thrown by a handler's own `publish` once the handler has returned: the message would not be part of its transaction. */
export class PublishAfterHandlerError extends AcuseError {
  constructor(type: string) {
    super(
      'ACUSE_PUBLISH_AFTER_HANDLER',
      `${type} was published after its handler had returned, when its transaction was already over. Await what the handler starts before it returns.`,
    )
    this.name = 'PublishAfterHandlerError'
  }
}

/** Thrown (or given to `trips`) when a dependency is down: the breaker counts it, and no attempt is spent. */
export class DependencyDownError extends AcuseError {
  constructor(dependency: string, options?: { readonly cause?: unknown }) {
    super('ACUSE_DEPENDENCY_DOWN', `${dependency} is not available.`, options)
    this.name = 'DependencyDownError'
  }
}

/** A wrong setting, name or declaration, found before anything runs. */
export class ConfigurationError extends AcuseError {
  constructor(message: string) {
    super('ACUSE_CONFIGURATION', message)
    this.name = 'ConfigurationError'
  }
}

/** The message of anything thrown, also of what is not an Error. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message
  try {
    return String(thrown)
  } catch {
    return 'a value that cannot be shown was thrown'
  }
}

/** The `code` of anything thrown, where it has one. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}
