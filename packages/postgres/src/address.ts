import { Client, type PoolConfig } from 'pg'

/** For errors. pg reads the parts of a connection string, and the environment where it says nothing. */
export function addressOf(connection: PoolConfig | string): string {
  const { host, port } = new Client(typeof connection === 'string' ? { connectionString: connection } : connection)
  return `${host}:${port}`
}
