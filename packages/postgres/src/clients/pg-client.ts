import type { Client, ClientBase, PoolConfig } from 'pg'
import { AcuseError } from '@acuse/core'
import { ownTypes } from '../db-types.ts'
import { runPrepared } from '../prepared.ts'
import type { ResultRow } from '../sql-client.ts'

/** Whether a value is pg's client, of whatever copy of pg. */
export function isPgClient(value: unknown): value is ClientBase {
  return (
    typeof value === 'object' &&
    value !== null &&
    'getTransactionStatus' in value &&
    typeof value.getTransactionStatus === 'function' &&
    'query' in value &&
    typeof value.query === 'function'
  )
}

/** Whether a transaction is open. An aborted one counts: the next statement says what is wrong with it better than we could. */
export function isInTransaction(client: ClientBase): boolean {
  const status = client.getTransactionStatus()
  return status === 'T' || status === 'E'
}

/** Runs one statement, with values read Acuse's way whatever type parsers the application has set. */
export async function runOn(
  client: ClientBase,
  text: string,
  values: readonly unknown[],
): Promise<readonly ResultRow[]> {
  const { rows } = await runPrepared<Record<string, unknown>>(client, { text, values: [...values], types: ownTypes })
  return rows
}

/**
 * Fails unless the transaction that is about to be committed is the one that was begun. A handler that commits or rolls back
 * by itself would leave the inbox and its effects apart.
 */
export function assertStillOpen(client: ClientBase): void {
  const status = client.getTransactionStatus()
  if (status === 'T') return
  throw status === 'E' ? failedInside() : endedByWork()
}

/** What a transaction rejects with that the work itself committed or rolled back. */
export function endedByWork(): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSACTION_ABORTED',
    'The transaction was ended by the code that ran in it. Leave COMMIT and ROLLBACK to Acuse: throw to roll back.',
  )
}

/** What a transaction rejects with in which a statement failed and the work went on. */
export function failedInside(cause?: unknown): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSACTION_ABORTED',
    'The transaction was rolled back: a statement in it had failed and its error was not passed on.',
    { cause },
  )
}

/** Throws when the server answered COMMIT with a rollback, which pg reports as success. */
export function assertCommitted(answer: string | undefined): void {
  if (answer === 'COMMIT') return
  throw new AcuseError(
    'ACUSE_TRANSACTION_ABORTED',
    `The transaction was rolled back at COMMIT (the server answered ${answer ?? 'nothing'}): a statement in it had failed and its error was not passed on.`,
  )
}

/**
 * Remembers what the server answers to the last statement from now on, for mappers that send COMMIT themselves and do not look.
 * Undefined without a connection in JavaScript (pg-native).
 */
export function watchAnswers(client: ClientBase): { last(): string | undefined; stop(): void } {
  const { connection } = client as Client
  let answer: string | undefined
  const onComplete = (message: { readonly text: string }): void => {
    answer = message.text
  }
  connection.on('commandComplete', onComplete)
  return { last: () => answer, stop: () => void connection.off('commandComplete', onComplete) }
}

/** What of an application's pool says where and how to connect; sizes and time limits are Acuse's own. */
const connectionOptions = [
  'connectionString',
  'host',
  'port',
  'user',
  'password',
  'database',
  'ssl',
  'options',
  'stream',
  'client_encoding',
  'keepAlive',
  'keepAliveInitialDelayMillis',
  'enableChannelBinding',
  'sslnegotiation',
] as const satisfies readonly (keyof PoolConfig | 'sslnegotiation')[]

/** How Acuse connects for itself, to the same database as the application's pool. */
export function connectionOf(options: PoolConfig): PoolConfig {
  // The password is not enumerable in a pool's options, so it is named.
  return Object.fromEntries(
    connectionOptions.flatMap((name) => {
      const value: unknown = Reflect.get(options, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
