import type { Message, TransactionContext } from '@acuse/core'

/** A client that runs one statement, as pg's does. */
export interface Statements {
  query(text: string, values: unknown[]): Promise<unknown>
}

/**
 * The table in which each service writes what it applied, in the transaction of the effect. It has no unique index, on
 * purpose: an effect that happened twice is to show as two rows. With the log of the `bus` database beside it anybody
 * can compute what was lost, what was doubled and what came out of order.
 */
export const appliedTable: string = `
  create table if not exists applied (
    seq bigint generated always as identity,
    grp text not null,
    message_id text not null,
    type text not null,
    stream text not null,
    key text,
    applied_at timestamptz not null default clock_timestamp()
  )`

/** The `inTransaction` of every group and saga of the reference services. */
export async function recordApplied(message: Message, { group, tx }: TransactionContext<Statements>): Promise<void> {
  const { id, type, stream, key } = message
  await tx.query('insert into applied (grp, message_id, type, stream, key) values ($1, $2, $3, $4, $5)', [
    group,
    id,
    type,
    stream,
    key,
  ])
}
