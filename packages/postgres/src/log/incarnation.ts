import { AcuseError } from '@acuse/core'
import type { Db } from '../db.ts'

/**
 * The run of the server that a position was read on. After a restart it may be another server, or an older copy of the same:
 * a failover that lost its last transactions, a restored backup. Snapshots from before mean nothing there.
 */
export type Incarnation = string

/**
 * Gives the server's incarnation. Where the log came here by a dump, counts its generation up first: xids start anew here,
 * so rows from before are then read as data, and the rows appended here from the beginning.
 * Throws `ACUSE_READ_ONLY` on a standby.
 */
export async function enterIncarnation(db: Db): Promise<Incarnation> {
  const [row] = await db.query<{ incarnation: string | null; moved: boolean }>(
    `select ${db.schema}.log_incarnation() as incarnation,
       system_identifier <> (select system_identifier from pg_control_system()) as moved
     from ${db.schema}.log_state`,
  )
  if (row?.incarnation === undefined || row.incarnation === null) {
    throw new AcuseError(
      'ACUSE_READ_ONLY',
      'The log cannot be read on a standby: its snapshots do not show what is in flight. Connect to the primary.',
    )
  }
  if (row.moved) await countUp(db)
  return row.incarnation
}

async function countUp(db: Db): Promise<void> {
  await db.transaction(async (run) => {
    // Whoever comes second finds the identifier already right. Writers need no lock: an append compares it too.
    const [moved] = await run(
      `update ${db.schema}.log_state set gen = gen + 1,
         system_identifier = (select system_identifier from pg_control_system())
       where system_identifier <> (select system_identifier from pg_control_system()) returning gen`,
    )
    if (moved === undefined) return
    // Snapshots of the other server, and owners that live there.
    await run(`delete from ${db.schema}.tick`)
    await run(`delete from ${db.schema}.member`)
  })
}

/** Names the database and schema, whatever address it is reached by. */
export async function identityOf(db: Db): Promise<string> {
  const [row] = await db.query<{ server: string; database: string }>(
    `select (select system_identifier from pg_control_system())::text as server,
       (select oid from pg_database where datname = current_database())::text as database`,
  )
  return `${row?.server}/${row?.database}/${db.schemaName}`
}
