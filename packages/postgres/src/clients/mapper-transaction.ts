import type { ClientBase } from 'pg'
import { assertCommitted, assertStillOpen, endedByWork, isInTransaction, watchAnswers } from './pg-client.ts'

/**
 * Runs `work` in a transaction that a mapper opens and ends itself, and adds what mappers leave out: that the transaction is still
 * the one that was begun, that the server answered COMMIT with a commit, and that the error passed on is that of the work.
 */
export async function throughMapper<Tx, R>(
  /** Opens a transaction, awaits what it is given, and sends COMMIT or ROLLBACK. */
  open: (run: (tx: Tx) => Promise<void>) => Promise<unknown>,
  clientUnder: (tx: Tx) => ClientBase | Promise<ClientBase>,
  work: (tx: Tx, client: ClientBase) => Promise<R>,
): Promise<R> {
  let running: Promise<void> | undefined
  let worked: { readonly result: R } | undefined
  let failure: { readonly error: unknown } | undefined
  let answers: ReturnType<typeof watchAnswers> | undefined
  let over = false

  const run = async (tx: Tx): Promise<void> => {
    const client = await clientUnder(tx)
    // Knex goes on where BEGIN failed, and rejects with that error in the end. Nothing may be written meanwhile.
    if (!isInTransaction(client)) return
    try {
      const result = await work(tx, client)
      // The connection may be somebody else's by now.
      if (over) throw endedByWork()
      assertStillOpen(client)
      answers = watchAnswers(client)
      worked = { result }
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  try {
    await open((tx) => (running = run(tx)))
  } catch (error) {
    over = true
    await running?.catch(() => undefined)
    // Where the connection is gone ROLLBACK fails too, and that error takes the place of the one that counts.
    throw failure === undefined ? error : failure.error
  } finally {
    over = true
    answers?.stop()
  }
  await running
  if (worked === undefined) throw endedByWork()
  assertCommitted(answers?.last())
  return worked.result
}
