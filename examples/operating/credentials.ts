import { type Bus, createBus, type Credentials } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { rabbitmq } from '@acuse/rabbitmq'
import { Pool, type PoolClient, type PoolConfig } from 'pg'

/** Whatever keeps your passwords: a vault, what your cloud has for it, a file that somebody else writes. */
export interface Vault {
  read(name: string): Promise<Credentials>
}

export function shopWith(vault: Vault, database: PoolConfig, broker: string): { bus: Bus<PoolClient>; pool: Pool } {
  // #region credentials
  const pool = new Pool({ ...database, max: 20, password: async () => (await vault.read('database')).password })
  const transport = rabbitmq(broker, { credentials: () => vault.read('broker') }) // no password in either address
  const bus = createBus({ service: 'shop', store: pg(pool), transport })
  // #endregion
  return { bus, pool }
}
