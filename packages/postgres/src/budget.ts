import { AcuseError } from '@acuse/core'
import type { Db } from './db.ts'

/** The connections a bus will open, and what there is. */
export interface Budget {
  /** Acuse's own, the one that listens included, but for those through a pooler. */
  readonly own: number
  /** Effect transactions at once, each in one connection of the application's client. */
  readonly effects: number
  /** Whether these go through a pooler, which makes them wait where the server has too few. */
  readonly effectsArePooled: boolean
  /** The most the application's client opens; undefined where it does not say. */
  readonly clientMax: number | undefined
  /** What the server, the database and the role still allow. */
  readonly free: number
  /** Which of the three is the narrowest, with its numbers. */
  readonly limit: string
}

/** Throws `ACUSE_CONNECTION_BUDGET` when handlers would wait for connections that cannot come. */
export function assertBudget({ own, effects, effectsArePooled, clientMax, free, limit }: Budget): void {
  if (clientMax !== undefined && effects > clientMax) {
    throw new AcuseError(
      'ACUSE_CONNECTION_BUDGET',
      `This bus handles ${effects} messages at once, each in a transaction of its own, but the application's pool has ${clientMax} connections. ` +
        `Set the pool's max to at least ${effects}, and more for what the application does besides, or lower the concurrency of the groups.`,
    )
  }
  const direct = effectsArePooled ? 0 : effects
  const needed = own + direct
  if (needed === 0 || needed <= free) return
  throw new AcuseError(
    'ACUSE_CONNECTION_BUDGET',
    `This bus needs ${needed} connections (${own} of its own and ${direct} for effect transactions), but only ${Math.max(free, 0)} are free: ${limit}. ` +
      `Raise that limit, lower the concurrency of the groups or the store's connections, or put a pooler before the server.`,
  )
}

interface LimitsRow {
  readonly server_max: number
  readonly reserved: number
  readonly used: number
  readonly database_max: number
  readonly database_used: number
  readonly role_max: number
  readonly role_used: number
}

/**
 * What is still free on the server, counted without the connections that `db` holds already.
 * numbackends, unlike the rows of pg_stat_activity, is shown whole to a plain role.
 */
export async function readFree(db: Db): Promise<Pick<Budget, 'free' | 'limit'>> {
  const [row] = await db.query<LimitsRow>(
    `select current_setting('max_connections')::int as server_max,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       (select coalesce(sum(numbackends), 0)::int from pg_stat_database) as used,
       d.datconnlimit as database_max,
       (select coalesce(sum(numbackends), 0)::int from pg_stat_database s where s.datid = d.oid) as database_used,
       r.rolconnlimit as role_max,
       (select count(*)::int from pg_stat_activity a where a.usesysid = r.oid) as role_used
     from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user`,
  )
  if (row === undefined) throw new Error('The server gave no connection limits.')
  const limits = [
    {
      free: row.server_max - row.reserved - row.used,
      limit: `the server's max_connections is ${row.server_max}, of which ${row.reserved} are reserved and ${row.used} in use`,
    },
    {
      free: row.database_max < 0 ? Infinity : row.database_max - row.database_used,
      limit: `the database allows ${row.database_max}, of which ${row.database_used} are in use (alter database … connection limit)`,
    },
    {
      free: row.role_max < 0 ? Infinity : row.role_max - row.role_used,
      limit: `the role allows ${row.role_max}, of which ${row.role_used} are in use (alter role … connection limit)`,
    },
  ]
  const narrowest = limits.reduce((one, other) => (other.free < one.free ? other : one))
  // This very statement runs on one of the connections that are counted as needed.
  return { free: narrowest.free + 1, limit: narrowest.limit }
}
