import type { SagaRecord, SagaStore } from '@acuse/core'
import type { MemoryDatabase } from './memory-database.ts'
import { rowKey } from './memory-rows.ts'
import type { MemoryTx } from './memory-transaction.ts'

export function memorySagas(database: MemoryDatabase): SagaStore<MemoryTx> {
  const { sagas } = database.rows
  return {
    load: (tx, saga, id) =>
      database.statement(tx, 'load', async (open) => {
        const row = sagas.get(open, rowKey(saga, id))
        return row === undefined ? undefined : asStored(row.record)
      }),
    save: (tx, saga, id, record) =>
      database.statement(tx, 'save', async (open) => {
        const key = rowKey(saga, id)
        await open.lockRow(`saga ${key}`)
        const version = sagas.get(open, key)?.record.version ?? 0
        if (version !== record.version - 1) return false
        sagas.set(open, key, { record: asStored(record) })
        return true
      }),
  }
}

/** A state comes back as JSON would bring it, as it does from a real database. */
function asStored(record: SagaRecord): SagaRecord {
  return { ...record, state: throughJson(record.state), timeouts: { ...record.timeouts } }
}

function throughJson(value: unknown): unknown {
  const text: string | undefined = JSON.stringify(value)
  return text === undefined ? null : JSON.parse(text)
}
