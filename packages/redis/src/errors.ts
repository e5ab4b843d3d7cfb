import { AcuseError, type ErrorCode, messageOf, refusedCredentials } from '@acuse/core'

/** What the server's errors begin with, and what to do. */
const answers: Readonly<Record<string, readonly [code: ErrorCode, remedy: string]>> = {
  OOM: ['ACUSE_TRANSPORT_UNAVAILABLE', 'Its memory is full (maxmemory): give it more, or shorten retentionMs'],
  MISCONF: ['ACUSE_TRANSPORT_UNAVAILABLE', 'It cannot write to its disk; its log says why'],
  READONLY: ['ACUSE_READ_ONLY', 'It is a replica: connect to the primary'],
  NOPERM: ['ACUSE_DESTINATION_UNAVAILABLE', 'Grant it to the user with ACL SETUSER'],
  WRONGTYPE: ['ACUSE_DESTINATION_UNAVAILABLE', 'Another program uses a key of the same name: choose another prefix'],
}

/** What a script may not do is an error of no kind, as 7 and 8 say it. */
const isForbiddenInScript = /^ERR (The user executing the script can't|ACL failure in script)/

/** What the server or the connection said, as an error that says what to do. */
export function asAcuseError(error: unknown, what: string): AcuseError {
  if (error instanceof AcuseError) return error
  const said = messageOf(error)
  const text = isAboutWho(error) ? refusedCredentials(said) : said
  const kind = isForbiddenInScript.test(said) ? 'NOPERM' : said.split(' ', 1)[0]
  const [code, remedy] = answers[kind ?? ''] ?? ['ACUSE_TRANSPORT_UNAVAILABLE', 'It is tried again']
  return new AcuseError(code, `${what}: ${text.replace(/\.$/, '')}. ${remedy}.`, { cause: causeOf(error) })
}

/** Whether the server refuses who connects. */
export function isAboutWho(error: unknown): boolean {
  return /^(NOAUTH|WRONGPASS)\b/.test(messageOf(error))
}

/** The client hangs the command on its errors, with the password or the message's body among its arguments: that is left out. */
export function causeOf(error: unknown): unknown {
  if (!(error instanceof Error) || !('command' in error)) return error
  const cause = new Error(error.message)
  cause.name = error.name
  return cause
}

/** Whether a script was refused as the partition has another owner. */
export function hasPrefix(error: unknown, prefix: string): boolean {
  return error instanceof Error && error.message.startsWith(prefix)
}
