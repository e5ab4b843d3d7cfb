import { EmbeddedServerError } from './errors.ts'
import { systemCode } from './system-code.ts'

/** Creates a database on the server at `url`; one that is there already is left as it is. */
export async function createDatabaseAt(url: string, name: string): Promise<void> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(`create database ${client.escapeIdentifier(name)}`)
  } catch (cause) {
    if (isThere(cause)) return
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new EmbeddedServerError(`The database ${JSON.stringify(name)} could not be created: ${message}.`, { cause })
  } finally {
    await client.end()
  }
}

// 42P04: the name is taken. 23505: it was taken by another process at the same moment.
function isThere(error: unknown): boolean {
  return ['42P04', '23505'].includes(systemCode(error) ?? '')
}
