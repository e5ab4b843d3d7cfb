import { EmbeddedServerError } from './errors.ts'
import { host } from './ports.ts'

/** Written into postgresql.conf when the cluster is made; `ALTER SYSTEM` may change them. */
export const initialSettings: Readonly<Record<string, string>> = {
  max_connections: '200',
  shared_buffers: '128MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  synchronous_commit: 'on',
}

/** Given on the command line of every start, where nothing but another start can change them. */
const durable: Readonly<Record<string, string>> = { fsync: 'on', full_page_writes: 'on' }

/** Values that still flush the commit record to disk before a commit returns. */
const durableCommits = ['on', 'local', 'remote_write', 'remote_apply']

const decidedHere = ['port', 'listen_addresses', 'unix_socket_directories', 'data_directory', 'logging_collector']

/**
 * Refuses settings that would lose commits, and those the embedded server decides itself.
 *
 * @throws EmbeddedServerError (`ACUSE_CONFIGURATION`), naming the setting.
 */
export function checkSettings(settings: Readonly<Record<string, string>>): void {
  for (const [given, value] of Object.entries(settings)) {
    const name = given.toLowerCase()
    if (!/^[a-z_][a-z0-9_.]*$/.test(name)) refuse(`${JSON.stringify(given)} is not the name of a PostgreSQL setting.`)
    if (decidedHere.includes(name)) refuse(`The setting ${name} is decided by the embedded server.`)
    const allowed = name === 'synchronous_commit' ? durableCommits : Object.hasOwn(durable, name) ? ['on'] : null
    if (allowed !== null && !allowed.includes(value.toLowerCase())) {
      refuse(`The setting ${name} = ${value} would lose commits; the embedded server keeps it ${allowed.join(' or ')}.`)
    }
  }
}

/** The arguments that start a server in `data` on `port`. */
export function serverArguments(data: string, port: number, settings: Readonly<Record<string, string>>): string[] {
  const given = {
    ...settings,
    ...durable,
    port: String(port),
    listen_addresses: host,
    unix_socket_directories: '',
    logging_collector: 'off',
  }
  return ['-D', data, ...Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

function refuse(message: string): never {
  throw new EmbeddedServerError(message, { code: 'ACUSE_CONFIGURATION' })
}
