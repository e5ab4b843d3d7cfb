import { ConfigurationError, type DeadLetterFilter, type DeadLetterState } from '@acuse/core'
import type { UnsafeSetting } from '@acuse/postgres'
import { type Command, Option } from 'commander'
import { wholeNumber } from './arguments.ts'
import { addDatabaseOptions, type DatabaseOptions } from './database-options.ts'

/** Which dead letters a command is about. */
export interface LetterOptions extends DatabaseOptions {
  readonly group?: string
  readonly stream?: string
  readonly type?: string
  readonly key?: string
  readonly id?: readonly string[]
  readonly fingerprint?: string
  readonly state?: DeadLetterState | 'any'
  readonly limit: number
  readonly all?: true
  readonly allowUnsafe?: readonly UnsafeSetting[]
  readonly json?: true
}

const states = ['dead', 'replaying', 'replayed', 'discarded', 'any']

export function addLetterFilters(command: Command, { anyState }: { readonly anyState: boolean }): Command {
  addDatabaseOptions(command)
    .option('--group <name>', 'of this group; a relay is $relay')
    .option('--stream <name>', 'of this stream')
    .option('--type <name>', 'of this message type')
    .option('--key <key>', 'of this key')
    .option('--id <id...>', 'these, by the id that list prints')
    .option('--fingerprint <text>', 'of one cause, as list prints it')
    .option('--limit <count>', 'at most so many', wholeNumber, 100)
    .option('--json', 'print one JSON document')
    .addOption(new Option('--allow-unsafe <setting...>', 'settings of the server to live with').hideHelp())
  if (anyState) command.addOption(new Option('--state <state>', 'in this state').choices(states).default('dead'))
  else command.option('--all', 'without any filter')
  return command
}

export function filterOf({ group, stream, type, key, id, fingerprint, state, limit }: LetterOptions): DeadLetterFilter {
  return {
    limit,
    ...(group === undefined ? {} : { group }),
    ...(stream === undefined ? {} : { stream }),
    ...(type === undefined ? {} : { type }),
    ...(key === undefined ? {} : { key }),
    ...(id === undefined ? {} : { ids: id }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(state === undefined || state === 'any' ? {} : { state }),
  }
}

/** Without a filter a command would change every dead letter there is: that has to be said. */
export function assertChosen({ group, stream, type, key, id, fingerprint, all }: LetterOptions): void {
  if (all === true || [group, stream, type, key, id, fingerprint].some((filter) => filter !== undefined)) return
  throw new ConfigurationError('Say which: --group, --stream, --type, --key, --id or --fingerprint; or --all.')
}
