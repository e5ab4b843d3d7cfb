import { AcuseError, type ErrorCode, messageOf } from '@acuse/core'
import { JetStreamApiError } from '@nats-io/jetstream'
import { PermissionViolationError } from '@nats-io/transport-node'

/** Codes of JetStream's API that ask for an answer of their own. */
export const apiCodes = {
  nobodyLeads: 10_008,
  consumerNotFound: 10_014,
  noMessageFound: 10_037,
  messageTooLarge: 10_054,
  nameInUse: 10_058,
  streamNotFound: 10_059,
  wrongLastSequence: 10_071,
  replicasUnsupported: 10_074,
  /** The same from a server that does not say which was the last. */
  wrongLastSequenceUnknown: 10_164,
} as const

export function apiCodeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined
}

/** Whether the user may not publish on the subject, or not ask for the stream to be made. */
export function isForbidden(error: unknown): boolean {
  if (error instanceof PermissionViolationError) return true
  return error instanceof Error && error.cause !== undefined && isForbidden(error.cause)
}

/** What the server or the client said, as an error that says to what it happened. */
export function asAcuseError(
  error: unknown,
  what: string,
  code: ErrorCode = 'ACUSE_TRANSPORT_UNAVAILABLE',
): AcuseError {
  if (error instanceof AcuseError) return error
  return new AcuseError(code, `${what}: ${messageOf(error)}; it is tried again.`, { cause: error })
}
