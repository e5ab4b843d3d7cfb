import { ConfigurationError } from '@acuse/core'
import type { Command } from 'commander'

/** What every command that reads or writes a service's database is told. */
export interface DatabaseOptions {
  readonly store?: string
  readonly schema: string
}

/** Which variables say the database, so that its password is in no list of processes. */
const storeVariables = ['ACUSE_STORE', 'DATABASE_URL'] as const

export function addDatabaseOptions(command: Command): Command {
  return command
    .option('--store <url>', `the service's database, postgres://… (default: $${storeVariables.join(' or $')})`)
    .option('--schema <name>', "where Acuse's tables are", 'acuse')
}

/** The address of the database. Throws `ACUSE_CONFIGURATION` when nobody says one, or it is none of PostgreSQL's. */
export function storeUrl({ store }: DatabaseOptions, environment: NodeJS.ProcessEnv = process.env): string {
  const [name] = storeVariables.filter((variable) => environment[variable] !== undefined)
  const given = store ?? (name === undefined ? undefined : environment[name])
  if (given === undefined)
    throw new ConfigurationError(`Say the database: --store postgres://…, or $${storeVariables.join(' or $')}.`)
  if (!/^postgres(ql)?:\/\//.test(given)) {
    throw new ConfigurationError(`${store === undefined ? `$${name}` : '--store'} must be a postgres:// address.`)
  }
  return given
}

/** An address that may be shown: without user, password and parameters. */
export function shown(address: string): string {
  if (!URL.canParse(address)) return 'an address that cannot be read'
  const { protocol, host, pathname } = new URL(address)
  return `${protocol}//${host}${pathname}`
}
