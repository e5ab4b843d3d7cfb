import { codeOf, messageOf } from '@acuse/core'

export interface Failure {
  readonly code: string | null
  readonly message: string
}

/** What a person needs of anything thrown. Several refused addresses of one host come as an error without a message. */
export function failureOf(thrown: unknown): Failure {
  const first: unknown = thrown instanceof AggregateError && thrown.message === '' ? thrown.errors[0] : thrown
  return { code: codeOf(first) ?? null, message: messageOf(first) }
}
