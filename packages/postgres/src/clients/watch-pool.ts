import type { Client, ClientBase, Pool, PoolClient } from 'pg'
import { AcuseError, messageOf } from '@acuse/core'
import { isPoolersTimeout, poolersCode, withoutClient } from '../db-errors.ts'

/** What happens to the connections of an application's pool, as far as their events tell. */
export interface WatchedPool extends Disposable {
  /** Whether the client is the application's at this moment, not in the pool, and its connection stands. */
  isUsable(client: object): boolean
  /** Counts how often the client was handed out: another number is another use of the same connection. */
  turnOf(client: object): number
}

/** Where a pool of whatever make tells what it does with its clients. */
export interface ClientWatch extends Omit<WatchedPool, keyof Disposable> {
  readonly onAcquire: (client: ClientBase) => void
  readonly onRelease: (client: object) => void
}

/**
 * Sessions that ran into a time limit of their own. The server ends them like those an administrator ends, but it is the
 * application's doing, so it must not look like a database that is away.
 */
const ownTimeouts = new Set(['25P03', '25P04'])

/** With these the server announces the end of the connection, which comes only a moment later. */
const lastWords = /^57P0[1-5]$/

/**
 * Watches a pool, and keeps the application alive when a connection breaks: Node ends a process on an 'error' that nobody hears, and
 * a pool hands its clients out without a listener, and has none for the idle ones. The statement that was running, or the next one,
 * still rejects; an idle connection's end is reported.
 */
export function watchPool(pool: Pool, onError: (error: AcuseError) => void): WatchedPool {
  const watch = watchOnce(pool, ({ onAcquire, onRelease }) => {
    pool.on('acquire', onAcquire)
    pool.on('release', (_error: Error, client: PoolClient) => onRelease(client))
  })
  const onIdleError = (error: Error): void => {
    const message = `An idle connection of the application's pool was lost: ${messageOf(error)}`
    onError(new AcuseError('ACUSE_STORE_UNAVAILABLE', message, { cause: withoutClient(error) }))
  }
  pool.on('error', onIdleError)
  return { ...watch, [Symbol.dispose]: () => void pool.off('error', onIdleError) }
}

/** Where a watch stays for as long as its pool: one for each bus would leave two more listeners on every client, for good. */
const watches = new WeakMap<object, ClientWatch>()

/** The watch of a pool, which is attached to it the first time. */
export function watchOnce(pool: object, attach: (watch: ClientWatch) => void): ClientWatch {
  const known = watches.get(pool)
  if (known !== undefined) return known
  const watch = watchClients()
  watches.set(pool, watch)
  attach(watch)
  return watch
}

/** Watches the clients that a pool says it hands out and takes back. */
function watchClients(): ClientWatch {
  const released = new WeakSet<object>()
  const broken = new WeakSet<object>()
  const turns = new WeakMap<object, number>()

  const hear = (client: ClientBase): void => {
    client.on('error', (error) => {
      if (!isOwnTimeout(error)) broken.add(client)
    })
    // pg-native has none.
    const { connection } = client as Partial<Client>
    connection?.on('errorMessage', (message: unknown) => {
      if (isLastWord(message)) broken.add(client)
    })
  }
  return {
    onAcquire: (client) => {
      if (!turns.has(client)) hear(client)
      turns.set(client, (turns.get(client) ?? 0) + 1)
      released.delete(client)
    },
    onRelease: (client) => {
      released.add(client)
      if (isWaiting(client)) void client.end().catch(() => undefined)
    },
    isUsable: (client) => !released.has(client) && !broken.has(client),
    turnOf: (client) => turns.get(client) ?? 0,
  }
}

/**
 * Whether a statement is under way although whoever had the client gave it back: pg gave up waiting for its answer (`query_timeout`), and
 * says nothing to the pool. Whoever got it next would wait behind a statement that never ends. A pool does not keep one that is ending.
 */
function isWaiting(client: object): client is Client {
  return Reflect.get(client, 'readyForQuery') === false
}

function isOwnTimeout(error: unknown): boolean {
  const code = codeIn(error)
  return ownTimeouts.has(code) || isPoolersTimeout(code, textIn(error, 'message'))
}

/** PostgreSQL says the pooler's code of single statements, which end nothing. */
function isLastWord(message: unknown): boolean {
  const code = codeIn(message)
  if (lastWords.test(code)) return true
  return code === poolersCode && textIn(message, 'severity') === 'FATAL' && !isOwnTimeout(message)
}

function codeIn(error: unknown): string {
  return textIn(error, 'code')
}

function textIn(error: unknown, property: string): string {
  const text: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, property) : undefined
  return typeof text === 'string' ? text : ''
}
