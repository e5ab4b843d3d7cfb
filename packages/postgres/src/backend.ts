import type { ClientBase } from 'pg'
import { ownTypes } from './db-types.ts'

/** Of connections asked before: the backend behind it, or that it changes. */
const backends = new WeakMap<ClientBase, number | 'changes'>()

/**
 * The process id of the backend that serves this connection for as long as it lives; undefined behind a pooler, where it changes with
 * each transaction. Asks the server once a connection: the number that a client is told as it connects is the pooler's own there.
 */
export async function lastingBackendOf(client: ClientBase): Promise<number | undefined> {
  let known = backends.get(client)
  if (known === undefined) {
    const pid = await currentBackendOf(client)
    known = pid === announcedPid(client) ? pid : 'changes'
    backends.set(client, known)
  }
  return known === 'changes' ? undefined : known
}

/** The process id of the backend that serves this connection now. */
export async function currentBackendOf(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>({
    text: 'select pg_backend_pid() as pid',
    types: ownTypes,
  })
  return Number(rows[0]?.pid)
}

/** Its prepared statements are gone, whoever took them away: from here on it is used without. */
export function forgetBackend(client: ClientBase): void {
  backends.set(client, 'changes')
}

function announcedPid(client: ClientBase): unknown {
  return 'processID' in client ? client.processID : undefined
}
