import { AcuseError, type StoreErrorKind } from '@acuse/core'
import { isPoolersTimeout } from '../db-errors.ts'

/** The statement could not be placed in the order of others; the same again can succeed at once. */
const conflicts = new Set([
  '40001',
  '40P01',
  '26000', // a prepared statement is gone, as after DISCARD ALL: again, it runs unprepared
  'P2034', // Prisma's for both
])

/** The server says "not now"; class 08 (connection exceptions) comes on top. */
const unavailable = new Set([
  '25006', // read-only: after a failover the connection leads to what is a standby now
  '53100', // disk full
  '53200', // out of memory
  '53300', // too many connections
  '53400', // a configured limit was reached
  '57P01', // the administrator, or a shutdown, ended the connection
  '57P02', // another backend crashed
  '57P03', // starting up or shutting down
  '57P05', // the session was idle too long
  '58030', // input/output error
  'P1001', // Prisma: the server cannot be reached
  'P1008', // Prisma: the socket timed out
  'P1017', // Prisma: the server closed the connection
  'P2037', // Prisma: too many connections
])

const socketCodes =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN)$/

/** What postgres.js gives as the code of an error that the server did not send. */
const postgresJsCodes = /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT)$/

/** What clients and pools say in errors without a code of their own. Knex puts the statement before it. */
const clientMessages = [
  /(^| - )Connection terminated/,
  /(^| - )Client has encountered a connection error/,
  /(^| - )Client was closed and is not queryable/,
  /^Cannot use a pool after calling end/,
  /^timeout exceeded when trying to connect/,
  /^timeout expired$/,
  /^Query runner already released/,
  /^Database connection provided by a query runner was already released/,
  /^Knex: Timeout acquiring a connection/,
  /^Transaction API error: Unable to start a transaction in the given time/,
]

/** Errors wrap each other only a few times; a cause that leads back to itself must not hang. */
const deepest = 8

/**
 * What an error means for the message being handled. Drizzle wraps what the driver threw as `cause`, TypeORM as `driverError`, Prisma
 * as `meta.driverAdapterError` and in it what the server said as `cause.originalCode`.
 * A lock or statement timeout is the handler's own, the server's or the pooler's: the time was its to use.
 */
export function classify(error: unknown): StoreErrorKind {
  let current: unknown = error
  for (let depth = 0; depth < deepest && typeof current === 'object' && current !== null; depth++) {
    const kind = kindOf(current)
    if (kind !== 'other') return kind
    current = Reflect.get(current, 'driverError') ?? Reflect.get(current, 'cause') ?? inMeta(current)
  }
  return 'other'
}

function inMeta(error: object): unknown {
  const meta: unknown = Reflect.get(error, 'meta')
  return typeof meta === 'object' && meta !== null ? Reflect.get(meta, 'driverAdapterError') : undefined
}

function kindOf(error: object): StoreErrorKind {
  if (error instanceof AcuseError) {
    return error.code === 'ACUSE_STORE_UNAVAILABLE' || error.code === 'ACUSE_READ_ONLY' ? 'unavailable' : 'other'
  }
  const code = textOf(error, 'originalCode') || textOf(error, 'code')
  if (conflicts.has(code)) return 'conflict'
  if (isPoolersTimeout(code, textOf(error, 'message'))) return 'other'
  if (/^08[0-9A-Z]{3}$/.test(code) || unavailable.has(code)) return 'unavailable'
  if (socketCodes.test(code) || postgresJsCodes.test(code)) return 'unavailable'
  return clientMessages.some((pattern) => pattern.test(textOf(error, 'message'))) ? 'unavailable' : 'other'
}

function textOf(error: object, property: string): string {
  const value: unknown = Reflect.get(error, property)
  return typeof value === 'string' ? value : ''
}
