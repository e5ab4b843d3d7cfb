import type { ClientBase, Pool } from 'pg'
import { NotInTransactionError, type StoreFactory } from '@acuse/core'
import type { SqlClient } from '../sql-client.ts'
import { createSqlStore, type StoreOptions } from '../store/create-store.ts'
import { withLentClient } from './lent-client.ts'
import { throughMapper } from './mapper-transaction.ts'
import { connectionOf, runOn } from './pg-client.ts'
import { assertPool } from './pg.ts'
import { createUses, type Uses } from './uses.ts'
import { watchPool } from './watch-pool.ts'

/** What is needed of a generated `PrismaClient`; `Tx` is what the callback of its `$transaction` is given. */
export interface PrismaDatabase<Tx> {
  $connect(): PromiseLike<void>
  $transaction<R>(
    work: (tx: Tx) => Promise<R>,
    options?: { timeout?: number; isolationLevel?: 'ReadCommitted' },
  ): PromiseLike<R>
}

/** `Prisma.TransactionClient`, told from a `PrismaClient`, which has all of it as well. */
export type PrismaTransaction<Tx> = Tx & { readonly $connect?: never }

/**
 * A store in the Prisma client an application already has (Prisma 7 with `@prisma/adapter-pg` on a pg pool). Handlers get the
 * `Prisma.TransactionClient` of that very client, with its models and extensions.
 *
 * Prisma shows neither its pool nor whether a transaction is over. So the pool is passed as well, the one that the driver
 * adapter was made on, and the client's `$transaction` is replaced by one that also notes which transactions are open.
 *
 * Prisma ends transactions after 5 s by default (`timeout`). Those of handlers have no such limit: how long a handler may take is
 * said to its group. How long a transaction waits for a connection (`maxWait`, 2 s) stays what the client says.
 */
export function prisma<Tx extends object>(
  client: PrismaDatabase<Tx>,
  pool: Pool,
  options: StoreOptions = {},
): StoreFactory<PrismaTransaction<Tx>> {
  return (context) => {
    const watched = watchPool(assertPool(pool, 'prisma'), context.onError)
    const uses = createUses(watched)
    const forget = noteTransactions(client, pool, uses)
    const open = createSqlStore<PrismaTransaction<Tx>>(prismaClient(client, pool, uses), {
      ...options,
      connection: options.connection ?? connectionOf(pool.options),
      clientOf: (tx) => uses.clientOf(tx),
      onDispose: () => {
        forget()
        watched[Symbol.dispose]()
      },
    })
    return open(context)
  }
}

/** As long as a timer goes: Prisma takes no "never". */
const longestMs = 2_147_483_647

/** A Prisma client as a `SqlClient`. */
function prismaClient<Tx extends object>(
  client: PrismaDatabase<Tx>,
  pool: Pool,
  uses: Uses,
): SqlClient<PrismaTransaction<Tx>> {
  const clientUnder = (tx: object): ClientBase => {
    const found = uses.clientOf(tx)
    if (found === undefined) throw new NotInTransactionError('a Prisma client that has none open')
    return found
  }
  return {
    name: 'prisma',
    maxConnections: pool.options.max,
    transaction: (work) =>
      throughMapper(
        (run: (tx: Tx) => Promise<void>) =>
          client.$transaction(run, { timeout: longestMs, isolationLevel: 'ReadCommitted' }) as Promise<void>,
        clientUnder,
        (tx) => work(tx),
      ),
    query: async (tx, text, values) => runOn(clientUnder(tx), text, values),
    isTransaction: (candidate): candidate is PrismaTransaction<Tx> =>
      typeof candidate === 'object' && candidate !== null && uses.isOpen(candidate) === true,
  }
}

/** Who is to be told of the transactions of a client; several stores may work in one. */
const listeners = new WeakMap<object, Set<Uses>>()

/** Notes in `uses` on which connection the client's transactions are, also those that the application opens. */
function noteTransactions(client: object, pool: Pool, uses: Uses): () => void {
  const told = listeners.get(client) ?? new Set<Uses>()
  if (!listeners.has(client)) {
    listeners.set(client, told)
    replaceTransaction(client, pool, (tx, parent, lent) => {
      for (const one of told) one.begin(tx, one.clientOf(parent) ?? lent())
    })
  }
  told.add(uses)
  return () => void told.delete(uses)
}

function replaceTransaction(
  client: object,
  pool: Pool,
  /** `parent` is what `$transaction` was called on: another transaction where they are nested. */
  onBegin: (tx: object, parent: object, lent: () => ClientBase) => void,
): void {
  const original = Reflect.get(client, '$transaction') as (...given: unknown[]) => Promise<unknown>
  function $transaction(this: object, work: unknown, ...options: unknown[]): Promise<unknown> {
    // An array of queries is a transaction that nobody can publish in.
    if (typeof work !== 'function') return Reflect.apply(original, this, [work, ...options])
    return withLentClient(pool, (lent) => {
      const noted = (tx: object): unknown => {
        onBegin(tx, this, lent)
        return work(tx)
      }
      return Reflect.apply(original, this, [noted, ...options])
    })
  }
  Reflect.set(client, '$transaction', $transaction)
}
