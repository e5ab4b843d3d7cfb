import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where installed servers are kept: `ACUSE_SERVERS_DIR`, or `~/.cache/acuse/servers`. */
export function cacheFolder(): string {
  const chosen = process.env['ACUSE_SERVERS_DIR']
  return chosen === undefined || chosen === '' ? join(homedir(), '.cache', 'acuse', 'servers') : resolve(chosen)
}

/** A folder of the cache that must be there already. */
export function installed(name: string, what: string): string {
  const folder = join(cacheFolder(), name)
  if (existsSync(folder)) return folder
  throw new Error(`${what} is not installed: there is no ${folder}. Run "npm run servers" first.`)
}
