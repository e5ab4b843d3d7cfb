import type { SagaRecord, SagaStore } from '@acuse/core'
import type { RunQuery } from '../db.ts'
import { runIn, type StoreBase } from './base.ts'
import { storable } from './texts.ts'

/** State machines, each change of which wins or loses by its version. */
export function createSagas<Tx>(base: StoreBase<Tx>): SagaStore<Tx> {
  const { schema } = base.db
  return {
    load: (tx, saga, id) => load(runIn(base, tx), schema, saga, storable(id)),
    save: (tx, saga, id, record) => save(runIn(base, tx), schema, saga, storable(id), record),
  }
}

interface SagaRow {
  readonly state: string
  readonly version: number
  readonly completed: boolean
  readonly timeouts: string
}

async function load(run: RunQuery, schema: string, saga: string, id: string): Promise<SagaRecord | undefined> {
  const [row] = await run<SagaRow>(
    `select state::text as state, version, completed, timeouts::text as timeouts from ${schema}.saga where name = $1 and id = $2`,
    [saga, id],
  )
  if (row === undefined) return undefined
  return {
    state: JSON.parse(row.state),
    version: row.version,
    completed: row.completed,
    timeouts: JSON.parse(row.timeouts) as Record<string, string>,
  }
}

/** Both forms wait for a transaction that is writing the same saga, and then find that it was first. */
async function save(run: RunQuery, schema: string, saga: string, id: string, record: SagaRecord): Promise<boolean> {
  const write =
    record.version === 1
      ? `insert into ${schema}.saga (name, id, version, state, completed, timeouts)
         values ($1, $2, $3, $4::json, $5, $6::json) on conflict do nothing`
      : `update ${schema}.saga
         set version = $3, state = $4::json, completed = $5, timeouts = $6::json, updated_at = clock_timestamp()
         where name = $1 and id = $2 and version = $3::int - 1`
  const rows = await run<{ saved: number }>(
    `with written as (${write} returning id) select count(*)::int as saved from written`,
    [saga, id, record.version, JSON.stringify(record.state ?? null), record.completed, JSON.stringify(record.timeouts)],
  )
  return (rows[0]?.saved ?? 0) > 0
}
