import { AcuseError, messageOf, refusedCredentials } from '@acuse/core'
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
function reasonOf(error: unknown): string {
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
  const refused = isRefusal(answerOf(error))
  const remedy = refused ? "grant it to the client's user (kafka-acls.sh); it is tried again" : 'it is tried again'
  // Of one topic or group, while others go on.
  const code = refused ? 'ACUSE_DESTINATION_UNAVAILABLE' : 'ACUSE_TRANSPORT_UNAVAILABLE'
  return new AcuseError(code, `${what}: ${toldOf(error)}; ${remedy}.`, { cause: error })
}

/** As the client says it: that is about how, not who. */
const noMechanism = 'Cannot find a suitable SASL mechanism'

/** What is known of it and, where it is about who connects, what to do. */
export function toldOf(error: unknown): string {
  const reason = reasonOf(error)
  return isAuthentication(error) && !reason.includes(noMechanism) ? refusedCredentials(reason) : reason
}

function isAuthentication(error: unknown): boolean {
  if (error instanceof AuthenticationError) return true
  if (error instanceof MultipleErrors) return error.errors.some(isAuthentication)
  return error instanceof Error && error.cause !== undefined && isAuthentication(error.cause)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
