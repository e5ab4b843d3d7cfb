import type { PoolConfig } from 'pg'
import { checkName } from '@acuse/core'
import { type Db, openDb } from './db.ts'
import { deleteGroup as deleteCursors } from './log/cursors.ts'

export interface GroupsOptions {
  /** Default `acuse`. */
  readonly schema?: string
}

/** A group as its database knows it. */
export interface GroupSummary {
  readonly name: string
  /** What it reads of this database's log; a group on another transport reads nothing of it. */
  readonly reads: 'every stream' | 'its streams' | 'nothing here'
  /** Processes that read the log for it and are alive. */
  readonly running: number
  readonly parked: number
  readonly dead: number
  readonly since: Date | null
}

/** Every group that reads this database's log, or keeps its inbox here. */
export function listGroups(connection: PoolConfig | string, options: GroupsOptions = {}): Promise<GroupSummary[]> {
  return withDb(connection, options, (db) => {
    const { schema } = db
    return db.query<GroupSummary>(
      `select coalesce(l.name, i.name) as name, l.created_at as since,
         case when l.all_streams then 'every stream' when l.name is not null then 'its streams' else 'nothing here' end as reads,
         (select count(*)::int from ${schema}.member m where m.grp = l.name and m.expires_at > clock_timestamp()) as running,
         (select count(*)::int from ${schema}.parked p where p.grp = i.id) as parked,
         (select count(*)::int from ${schema}.dead_letter d where d.grp = i.id and d.state = 'dead') as dead
       from ${schema}.log_group l full join ${schema}.inbox_group i on i.name = l.name
       order by 1`,
    )
  })
}

/**
 * Forgets a group that is not used any more: its cursors, so that it holds nothing in the log, and what of it is parked.
 * Its inbox goes by its age, its dead letters stay. A group that still runs begins anew, at the earliest message that is kept.
 */
export function deleteGroup(connection: PoolConfig | string, name: string, options: GroupsOptions = {}): Promise<void> {
  checkName('group', name)
  return withDb(connection, options, async (db) => {
    await deleteCursors(db, name)
    await db.query(
      `delete from ${db.schema}.parked p using ${db.schema}.inbox_group i where i.id = p.grp and i.name = $1`,
      [name],
    )
  })
}

async function withDb<R>(
  connection: PoolConfig | string,
  { schema = 'acuse' }: GroupsOptions,
  work: (db: Db) => Promise<R>,
): Promise<R> {
  // Not `await using`: the tests' processes run this file as it is, and Node 22 cannot read that.
  const db = openDb(connection, { schema, connections: 1, service: 'groups', onError: () => undefined })
  try {
    return await work(db)
  } finally {
    await db[Symbol.asyncDispose]()
  }
}
