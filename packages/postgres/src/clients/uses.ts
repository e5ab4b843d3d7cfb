import type { ClientBase } from 'pg'
import { isInTransaction } from './pg-client.ts'
import type { WatchedPool } from './watch-pool.ts'

/** To which use of its connection a transaction belongs: a mapper's objects stay as they are when their transaction is over. */
export interface Uses {
  /** Notes that `tx` is open on the client. */
  begin(tx: object, client: ClientBase): void
  clientOf(tx: object): ClientBase | undefined
  /** Whether the transaction that was noted is still open and its connection stands; undefined where none was noted. */
  isOpen(tx: object): boolean | undefined
}

export function createUses(watched: Pick<WatchedPool, 'isUsable' | 'turnOf'>): Uses {
  const uses = new WeakMap<object, { readonly client: ClientBase; readonly turn: number }>()
  return {
    begin: (tx, client) => void uses.set(tx, { client, turn: watched.turnOf(client) }),
    clientOf: (tx) => uses.get(tx)?.client,
    isOpen: (tx) => {
      const use = uses.get(tx)
      if (use === undefined) return undefined
      return watched.isUsable(use.client) && isInTransaction(use.client) && watched.turnOf(use.client) === use.turn
    },
  }
}
