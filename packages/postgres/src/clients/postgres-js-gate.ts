import type { Sql, TransactionSql } from 'postgres'
import { AcuseError, NotInTransactionError } from '@acuse/core'
import { endedByWork } from './pg-client.ts'

type AnyTypes = Record<string, unknown>

/** What became of a transaction of postgres.js, which itself does not say. */
export interface PostgresJsUse {
  state: 'open' | 'over' | 'lost'
  /** What postgres.js gave: it sends whatever the state is. */
  readonly raw: TransactionSql<AnyTypes>
}

/** The transactions that `sql.begin` has opened, by what its callback was given. */
export interface PostgresJsUses {
  of(tx: unknown): PostgresJsUse | undefined
}

const watched = new WeakMap<object, WeakMap<object, PostgresJsUse>>()

/**
 * Replaces `sql.begin` by one whose callback gets a `TransactionSql` that knows when it is over. postgres.js goes on sending what is
 * written through one that is: on a connection that has another transaction by then, or none, which ends the process.
 */
export function watchBegin(sql: Sql<AnyTypes>): PostgresJsUses {
  const uses = watched.get(sql) ?? new WeakMap<object, PostgresJsUse>()
  if (!watched.has(sql)) {
    watched.set(sql, uses)
    const begin = Reflect.get(sql, 'begin') as (...given: unknown[]) => Promise<unknown>
    Object.assign(sql, { begin: (...given: unknown[]) => beginWatched(begin, given, uses) })
  }
  return { of: (tx) => (typeof tx === 'function' ? uses.get(tx) : undefined) }
}

async function beginWatched(
  begin: (...given: unknown[]) => Promise<unknown>,
  given: readonly unknown[],
  uses: WeakMap<object, PostgresJsUse>,
): Promise<unknown> {
  const work = given.at(-1) as (tx: object) => unknown
  let use: PostgresJsUse | undefined
  try {
    return await begin(...given.slice(0, -1), async (raw: TransactionSql<AnyTypes>) => {
      const own: PostgresJsUse = (use = { state: 'open', raw })
      try {
        return await settled(work(gate(raw, own, uses)))
      } finally {
        // postgres.js would send ROLLBACK on a connection that has no socket, and then never use its place again.
        if (own.state === 'lost') await forever
      }
    })
  } catch (error) {
    if (use !== undefined && isConnectionLost(error)) use.state = 'lost'
    throw error
  } finally {
    if (use?.state === 'open') use.state = 'over'
  }
}

/** `sql.begin` rejects by itself when the connection is gone; its callback need not come to an end. */
const forever = new Promise<never>(() => undefined)

/** Statements in an array are run together, as postgres.js does it. */
function settled(result: unknown): unknown {
  return Array.isArray(result) ? Promise.all(result) : result
}

/** What sends a statement, beside the template tag itself. */
const sending = new Set(['unsafe', 'file', 'notify'])

function gate(
  tx: TransactionSql<AnyTypes>,
  use: PostgresJsUse,
  uses: WeakMap<object, PostgresJsUse>,
): TransactionSql<AnyTypes> {
  const send = (target: unknown, args: unknown[]): unknown => {
    assertOpen(use)
    assertHarmless(args[0])
    const pending: unknown = Reflect.apply(target as () => unknown, tx, args)
    // Not `pending.then`, which would send it. Being first to hear of it, it is known before the work hears.
    if (pending instanceof Promise) void Promise.prototype.then.call(pending, undefined, noteLoss)
    return pending
  }
  const noteLoss = (error: unknown): void => {
    if (isConnectionLost(error)) use.state = 'lost'
  }
  const gated = new Proxy(tx, {
    apply: (target, _self, args) => send(target, args),
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property)
      if (typeof property !== 'string' || typeof value !== 'function') return value
      if (sending.has(property)) return (...args: unknown[]) => send(value, args)
      if (property !== 'savepoint') return value
      return (...args: unknown[]) => {
        assertOpen(use)
        const work = args.at(-1) as (nested: TransactionSql<AnyTypes>) => unknown
        const nest = (nested: TransactionSql<AnyTypes>): unknown => work(gate(nested, use, uses))
        return Reflect.apply(value, target, [...args.slice(0, -1), nest])
      }
    },
  })
  uses.set(gated, use)
  return gated
}

function assertOpen({ state }: PostgresJsUse): void {
  if (state === 'lost') {
    throw new AcuseError('ACUSE_STORE_UNAVAILABLE', 'The connection of this transaction was lost.')
  }
  if (state === 'over') throw new NotInTransactionError('one whose connection went back to its pool')
}

const ending = /^\s*(commit|end|abort|prepare\s+transaction|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b/i

/** postgres.js gives the connection away as soon as the server says that no transaction is open, and still sends its own COMMIT on it. */
function assertHarmless(statement: unknown): void {
  const text: unknown = Array.isArray(statement) ? statement[0] : statement
  if (typeof text === 'string' && ending.test(text)) throw endedByWork()
}

/** Whether an error comes with the end of its connection: the server's FATAL ones do, and those of the socket. */
export function isConnectionLost(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const severity: unknown = Reflect.get(error, 'severity')
  const code: unknown = Reflect.get(error, 'code')
  if (severity === 'FATAL' || severity === 'PANIC') return true
  return typeof code === 'string' && /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONNRESET|EPIPE)$/.test(code)
}
