/** One row of a result, by column name. */
export type ResultRow = Readonly<Record<string, unknown>>

/**
 * The client a service already uses for its own tables, as Acuse needs it: open a transaction, run a statement in it,
 * say whether it still is one. `Tx` is what the user's own code writes through inside a transaction.
 */
export interface SqlClient<Tx> {
  /** Seen in the store's name and in errors, e.g. `drizzle`. */
  readonly name: string
  /** The most connections the client opens at once, for the connection budget; undefined where it does not say. */
  readonly maxConnections: number | undefined
  /**
   * Opens a READ COMMITTED transaction, commits when `work` resolves and rolls back when it rejects, passing its error on.
   * Rejects with `ACUSE_TRANSACTION_ABORTED` when the server rolled back at COMMIT because `work` swallowed the error of a statement.
   * A connection that broke in it is never handed out again.
   *
   * A client that can send a statement together with BEGIN does so with `opening`, which has no parameters, and gives its rows: one
   * round trip less of three. The others do without it, and give nothing.
   */
  transaction<R>(work: (tx: Tx, opened?: readonly ResultRow[]) => Promise<R>, opening?: string): Promise<R>
  /** Runs one statement with `$1`-style parameters in `tx`. Its values are strings, numbers, booleans, Buffers, null and arrays of those. */
  query(tx: Tx, text: string, values: readonly unknown[]): Promise<readonly ResultRow[]>
  /**
   * Whether `candidate` is an open transaction of this client: false for a pool, a data source, a client that was released or has none
   * open, and one whose connection is lost. By that last, a handler's failure is told from the database's.
   */
  isTransaction(candidate: unknown): candidate is Tx
}
