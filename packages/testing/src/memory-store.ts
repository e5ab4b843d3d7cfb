import {
  AcuseError,
  messageOf,
  type PublishResult,
  type Store,
  type StoreContext,
  type StoreFactory,
  type Transport,
  type WireMessage,
} from '@acuse/core'
import { createMemoryDatabase, type MemoryDatabase } from './memory-database.ts'
import { memoryDeadLetters } from './memory-dead-letters.ts'
import { classifyMemoryError, storeGoneError } from './memory-errors.ts'
import { memoryHistory } from './memory-history.ts'
import { memoryInbox } from './memory-inbox.ts'
import { memoryParked } from './memory-parked.ts'
import { memorySagas } from './memory-sagas.ts'
import { memorySchedule } from './memory-schedule.ts'
import type { MemoryTx } from './memory-transaction.ts'
import { logTransport } from './memory-transport.ts'

/**
 * A store in memory. Buses opened on one database share it, as services share a PostgreSQL database;
 * without `database` the first bus to open the store makes one on its own clock.
 */
export function memoryStore(database?: MemoryDatabase): StoreFactory<MemoryTx> {
  let made = database
  return async (context) => {
    made ??= createMemoryDatabase(context.clock)
    return openMemoryStore(made, context)
  }
}

function openMemoryStore(database: MemoryDatabase, context: StoreContext): Store<MemoryTx> {
  const { instance } = context
  let closed = false
  const assertAlive = (): void => {
    if (closed) throw storeGoneError(instance)
    database.assertAlive(instance)
  }
  const transport = logTransport(database.log, context, {
    name: 'memory log',
    identity: database.identity,
    assertAlive,
  })
  const log: Transport = { ...transport, publish: (batch, signal) => publishIn(database, instance, batch, signal) }
  return {
    name: 'memory',
    log,
    inbox: memoryInbox(database, instance),
    parked: memoryParked(database, instance),
    deadLetters: memoryDeadLetters(database, instance),
    history: memoryHistory(database, instance),
    sagas: memorySagas(database),
    schedule: memorySchedule(database, instance),
    async transaction(work) {
      assertAlive()
      return database.transaction(instance, work)
    },
    isTransaction: (candidate): candidate is MemoryTx => database.isOpen(candidate),
    append: (tx, messages) =>
      database.statement(tx, 'append', async (open) => {
        database.log.appendIn(open, messages)
      }),
    classify: classifyMemoryError,
    abort(tx) {
      if (!database.isOpen(tx)) return
      tx.fail(new Error('the transaction was ended from outside'))
      tx.rollback()
    },
    async [Symbol.asyncDispose]() {
      closed = true
      await log[Symbol.asyncDispose]()
    },
  }
}

/** Publishes in a transaction of its own, which fails as any other does. */
async function publishIn(
  database: MemoryDatabase,
  instance: string,
  batch: readonly WireMessage[],
  signal: AbortSignal,
): Promise<readonly PublishResult[]> {
  const failed = (error: AcuseError): PublishResult[] => batch.map(() => ({ state: 'failed', error }))
  if (signal.aborted) return failed(new AcuseError('ACUSE_PUBLISH_TIMEOUT', 'The publish was aborted before it began.'))
  try {
    await database.transaction(instance, async (tx) => database.log.appendIn(tx, batch))
    return batch.map(() => ({ state: 'delivered' }))
  } catch (cause) {
    if (cause instanceof AcuseError) return failed(cause)
    const text = `publishing to the log failed: ${messageOf(cause)}`
    return failed(new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause }))
  }
}
