import { ConfigurationError } from '@acuse/core'

/** PostgreSQL cuts longer names off in silence. */
const longestNameBytes = 63

/** Quotes an identifier for SQL. Throws `ACUSE_CONFIGURATION` for what PostgreSQL would cut off or refuse. */
export function ident(name: string): string {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0 || bytes > longestNameBytes || name.includes('\0')) {
    throw new ConfigurationError(
      `${JSON.stringify(name)} cannot name anything in PostgreSQL: it needs 1 to ${longestNameBytes} bytes.`,
    )
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** Checks a schema's name and quotes it. Plain names only, so that it can stand in channel names and be typed in psql without quotes. */
export function schemaIdent(name: string): string {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(name) || name.startsWith('pg_')) {
    throw new ConfigurationError(
      `${JSON.stringify(name)} is not a schema name Acuse can use: lower-case letters, digits and _, at most 40, not beginning with a digit or pg_.`,
    )
  }
  return ident(name)
}
