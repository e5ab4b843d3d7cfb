import { AcuseError, messageOf, refusedCredentials } from '@acuse/core'

/** SQLSTATEs that say "not now": the server starts, stops, is full, or took the connection away. */
const unavailableStates = new Set([
  '53000', // insufficient resources
  '53100', // disk full
  '53200', // out of memory
  '53300', // too many connections
  '57014', // a statement ran into its own timeout
  '57P01', // the administrator ended the connection
  '57P02', // crash of another backend
  '57P03', // starting up or shutting down
  '58000', // system error
  '58030', // input/output error
])

/** Statements refused because the server is a standby or the database read-only. */
const readOnlyStates = new Set(['25006'])

/** The five characters PostgreSQL sends with every error, or undefined when the error did not come from the server. */
export function sqlStateOf(error: unknown): string | undefined {
  // By shape: the application may have another copy of pg.
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether the database could not be reached, or cannot do any work now. Anything that the server did not say itself counts. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const state = sqlStateOf(error)
  if (state !== undefined)
    return state.startsWith('08') || unavailableStates.has(state) || readOnlyStates.has(state) || isAboutWho(error)
  if (error instanceof TypeError || error instanceof RangeError) return false
  return isConnectionError(error)
}

/** Whether the server refuses the role or its password (class 28). After a change of the password it takes another. */
export function isAboutWho(error: unknown): boolean {
  return sqlStateOf(error)?.startsWith('28') === true
}

/** What an error says and, where it is about who connects, what to do. */
export function toldOf(error: unknown): string {
  const said = messageOf(error)
  return isAboutWho(error) ? refusedCredentials(said, 'a function as `password`') : said
}

/** What befell an idle connection, without the client that pg's pool hangs on it: the password is in there. */
export function withoutClient(error: unknown): unknown {
  if (!(error instanceof Error) || !('client' in error)) return error
  const { client: _client, ...rest } = error
  const copy = Object.assign(new Error(error.message), rest)
  if (error.stack !== undefined) copy.stack = error.stack
  return copy
}

/** All that PgBouncer says of itself has this code: that the server behind it is gone, and that a limit of its own is reached. */
export const poolersCode = '08P01'

/** Whether a statement or transaction ran into a limit of PgBouncer (`query_timeout`, `idle_transaction_timeout`). Knex puts the statement before it. */
export function isPoolersTimeout(code: string, message: string): boolean {
  return code === poolersCode && /(^| - )(query|idle transaction) timeout$/.test(message)
}

export function isReadOnly(error: unknown): boolean {
  return readOnlyStates.has(sqlStateOf(error) ?? '')
}

const socketCodes =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)$/

/** pg gives these as plain errors without a code. */
const clientMessages =
  /connection terminated|query read timeout|timeout (exceeded|expired)|client has encountered a connection error|not queryable|cannot use a pool after|connection ended/i

function isConnectionError(error: Error): boolean {
  if ('code' in error && typeof error.code === 'string' && socketCodes.test(error.code)) return true
  if (error instanceof AggregateError) return error.errors.some((one) => one instanceof Error && isConnectionError(one))
  return clientMessages.test(error.message)
}

/** A server that is lost while it is being opened was unreachable, if a moment later; any other error stays as it is. */
export function asUnreachable(
  error: unknown,
  code: 'ACUSE_STORE_UNAVAILABLE' | 'ACUSE_TRANSPORT_UNAVAILABLE',
  address: string,
): unknown {
  if (!isUnavailable(error) || error instanceof AcuseError) return error
  return new AcuseError(code, `The database at ${address} was lost while it was being opened: ${messageOf(error)}`, {
    cause: error,
  })
}
