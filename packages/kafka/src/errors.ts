import { AcuseError, messageOf } from '@acuse/core'
import { AuthenticationError, MultipleErrors, protocolErrorsCodesById, ProtocolError } from '@platformatic/kafka'

/** The name that Kafka's protocol has for an error code, as `NOT_COORDINATOR`; undefined for 0, which is none. */
export function errorName(code: number): string | undefined {
  return code === 0 ? undefined : (protocolErrorsCodesById[code] ?? `error ${code}`)
}

/** What the broker answered, by the name of its protocol; undefined where it was not the broker that answered. */
export function answerOf(error: unknown): string | undefined {
  if (error instanceof ProtocolError) return textOf(error['apiId'])
  if (error instanceof MultipleErrors) return error.errors.map(answerOf).find((answer) => answer !== undefined)
  return undefined
}

/** Whether it is about who may: nothing gets better by asking again, but somebody may grant it. */
export function isRefusal(answer: string | undefined): boolean {
  return answer !== undefined && answer.endsWith('_AUTHORIZATION_FAILED')
}

/** All that is known of an error, in one line. */
export function reasonOf(error: unknown): string {
  if (error instanceof ProtocolError) {
    const told = textOf(error['serverErrorMessage'])
    return told === undefined ? `${textOf(error['apiId'])}` : `${textOf(error['apiId'])} (${told})`
  }
  if (error instanceof MultipleErrors) return [...new Set(error.errors.map(reasonOf))].join('; ')
  if (error instanceof Error && error.cause !== undefined) return `${messageOf(error)} ${reasonOf(error.cause)}`
  return messageOf(error)
}

/** Anything thrown, as an error that says to what it happened. */
export function asAcuseError(error: unknown, what: string): AcuseError {
  if (error instanceof AcuseError) return error
  const remedy = remedyOf(error)
  // Of one topic or group, while others go on.
  const code = isRefusal(answerOf(error)) ? 'ACUSE_DESTINATION_UNAVAILABLE' : 'ACUSE_TRANSPORT_UNAVAILABLE'
  return new AcuseError(code, `${what}: ${reasonOf(error)}; ${remedy}.`, { cause: error })
}

function remedyOf(error: unknown): string {
  if (isRefusal(answerOf(error))) return "grant it to the client's user (kafka-acls.sh); it is tried again"
  if (isAuthentication(error)) return 'look at the name, the password and the mechanism; it is tried again'
  return 'it is tried again'
}

function isAuthentication(error: unknown): boolean {
  if (error instanceof AuthenticationError) return true
  if (error instanceof MultipleErrors) return error.errors.some(isAuthentication)
  return error instanceof Error && error.cause !== undefined && isAuthentication(error.cause)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
