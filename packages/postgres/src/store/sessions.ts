import type { Client, ClientBase } from 'pg'
import { AcuseError, messageOf } from '@acuse/core'
import { currentBackendOf, lastingBackendOf } from '../backend.ts'
import type { Db } from '../db.ts'
import type { SqlClient } from '../sql-client.ts'

/** pg's client under a transaction, where the adapter can say. */
export type ClientOf<Tx> = (tx: Tx) => ClientBase | undefined | Promise<ClientBase | undefined>

/** The transactions that are open, so that one whose handler never settled can be ended from outside. */
export interface Sessions<Tx> {
  /** Runs `work` in `tx`. Where `tx` was aborted, settles only when its connection is gone. */
  hold<R>(tx: Tx, work: () => Promise<R>): Promise<R>
  /** Whether `tx` is one of these, also where its connection is lost. */
  holds(tx: Tx): boolean
  /** Ends the connection under `tx`. Does nothing for a transaction that is over. */
  abort(tx: Tx): void
}

export interface SessionsOptions<Tx> {
  readonly client: SqlClient<Tx>
  readonly db: Db
  readonly clientOf: ClientOf<Tx> | undefined
  readonly onError: (error: AcuseError) => void
}

interface Session {
  readonly pid: number
  readonly client: ClientBase | undefined
  ending: Promise<void> | undefined
}

/** How long a backend may take to end: it rolls back, which is quick in PostgreSQL. */
const terminationMs = 5_000

export function createSessions<Tx>({ client, db, clientOf, onError }: SessionsOptions<Tx>): Sessions<Tx> {
  const open = new Map<Tx, Session>()

  async function hold<R>(tx: Tx, work: () => Promise<R>): Promise<R> {
    const pgClient = await clientOf?.(tx)
    const session: Session = { pid: await pidOf(tx, pgClient), client: pgClient, ending: undefined }
    open.set(tx, session)
    try {
      return await work()
    } finally {
      open.delete(tx)
      // The server must not hand this backend to another transaction (through a pooler) before it has been ended.
      await session.ending
    }
  }

  async function pidOf(tx: Tx, pgClient: ClientBase | undefined): Promise<number> {
    if (pgClient !== undefined) return (await lastingBackendOf(pgClient)) ?? currentBackendOf(pgClient)
    const [row] = await client.query(tx, 'select pg_backend_pid() as pid', [])
    return Number(row?.['pid'])
  }

  async function end(session: Session): Promise<void> {
    // Nothing can be written on it from here on, whatever the server does.
    if (session.client !== undefined) destroy(session.client)
    try {
      // A statement that is running would go on, with its locks, until it wants to answer.
      await db.query('select pg_terminate_backend($1, $2)', [session.pid, terminationMs])
    } catch (error) {
      onError(
        new AcuseError(
          'ACUSE_STORE_UNAVAILABLE',
          `The backend ${session.pid} of a handler that timed out could not be ended: ${messageOf(error)}`,
          { cause: error },
        ),
      )
    }
  }

  return {
    hold,
    holds: (tx) => open.has(tx),
    abort: (tx) => {
      const session = open.get(tx)
      if (session !== undefined) session.ending ??= end(session)
    },
  }
}

function destroy(client: ClientBase): void {
  const { connection } = client as Partial<Client>
  connection?.stream.destroy()
}
