import { AsyncLocalStorage } from 'node:async_hooks'
import type { ClientBase, Pool, PoolClient } from 'pg'
import { ConfigurationError } from '@acuse/core'
import { isPgClient } from './pg-client.ts'

interface Slot {
  client: ClientBase | undefined
  /** Gives back what the mapper took; the pool makes a new one each time, which throws when called again. */
  release: PoolClient['release'] | undefined
  /** Once it is known what the transaction runs on: what its work takes from the pool besides is no concern of it. */
  closed: boolean
}

const slots = new AsyncLocalStorage<Slot>()
const telling = new WeakSet<Pool>()

/**
 * Runs `open`, in which a mapper takes a client from the pool and begins a transaction on it, without ever showing it.
 * `lent` gives the client it took: it is the last one the pool lent within this flow of calls.
 *
 * Drizzle, Kysely, MikroORM and Prisma keep the client to themselves, and without it nobody can say whether the transaction is
 * still open, what the server answered to COMMIT, or end it from outside. Asking the server for its pid would cost each
 * transaction a round trip, and behind a pooler that number leads to no client.
 *
 * Where `open` rejects and the mapper has not given the client back, that is done here: Drizzle forgets it when BEGIN fails, Kysely
 * up to 0.29.6 (so MikroORM too) when ROLLBACK does, and after a few lost connections the pool would be empty.
 */
export async function withLentClient<R>(pool: Pool, open: (lent: () => ClientBase) => PromiseLike<R>): Promise<R> {
  tellOfLending(pool)
  const slot: Slot = { client: undefined, release: undefined, closed: false }
  try {
    return await slots.run(slot, () => open(() => clientIn(slot)))
  } catch (error) {
    slot.closed = true
    giveBack(slot)
    throw error
  }
}

function giveBack({ release }: Slot): void {
  try {
    release?.(true)
  } catch {
    // The mapper did so itself.
  }
}

function clientIn(slot: Slot): ClientBase {
  slot.closed = true
  if (slot.client !== undefined) return slot.client
  throw new ConfigurationError(
    'The transaction is not on a client of the pool that Acuse was given. Pass the very pool that the application’s client was made on.',
  )
}

/** The pool's `connect` stays replaced: it does nothing of its own outside of `withLentClient`. */
function tellOfLending(pool: Pool): void {
  if (telling.has(pool)) return
  telling.add(pool)
  const connect = pool.connect.bind(pool) as (...given: unknown[]) => unknown
  const value = (...given: unknown[]): unknown => {
    const lent = connect(...given)
    const slot = slots.getStore()
    if (slot !== undefined && !slot.closed && lent instanceof Promise) {
      lent.then(
        (client: unknown) => {
          if (slot.closed || !isPgClient(client)) return
          slot.client = client
          slot.release = Reflect.get(client, 'release') as PoolClient['release']
        },
        () => undefined,
      )
    }
    return lent
  }
  Object.defineProperty(pool, 'connect', { value, configurable: true, writable: true })
}
