import {
  ConfigurationError,
  type HistoryCount,
  type HistoryProgress,
  type HistoryRange,
  replayHistory,
  systemClock,
} from '@acuse/core'
import type { UnsafeSetting } from '@acuse/postgres'
import { type Command, Option } from 'commander'
import { moment, wholeNumber } from '../arguments.ts'
import { addDatabaseOptions, type DatabaseOptions } from '../database-options.ts'
import { readGroups } from '../group-tables.ts'
import { openStore } from '../open-store.ts'
import { counted, json, type Output } from '../output.ts'

interface ReplayOptions extends DatabaseOptions {
  readonly group: string
  readonly stream: string
  readonly type: readonly string[]
  readonly key?: string
  readonly from?: Date
  readonly to?: Date
  readonly again?: true
  readonly most: number
  readonly after?: string
  readonly ordered: boolean
  readonly inboxDays: number
  readonly dryRun?: true
  readonly allowUnsafe?: readonly UnsafeSetting[]
  readonly json?: true
}

const dayMs = 86_400_000

export function addReplay(program: Command, output: Output): void {
  addDatabaseOptions(program.command('replay').description('gives messages of the log to a group once more'))
    .requiredOption('--group <name>', 'to this group, which has to run somewhere')
    .requiredOption('--stream <name>', 'of this stream')
    .requiredOption('--type <name...>', 'of these types, which the group handles')
    .option('--key <key>', "of this key; a tenant's is @tenant/key")
    .option('--from <time>', 'published at this moment or later, as 2026-01-31T12:00:00Z', moment)
    .option('--to <time>', 'published before this moment', moment)
    .option('--again', 'run also what the group has taken already: its effects happen once more')
    .option('--dry-run', 'count what would be replayed, and change nothing')
    .option('--most <count>', 'so many may wait in the group at once', wholeNumber, 1_000)
    .option('--after <position>', 'go on where a replay that was cancelled ended')
    .option('--no-ordered', "for a group with whileRetrying: 'continue'")
    .option('--inbox-days <days>', "how long the service's inbox remembers", wholeNumber, 30)
    .option('--json', 'print one JSON document')
    .addOption(new Option('--allow-unsafe <setting...>', 'settings of the server to live with').hideHelp())
    .action(async (options: ReplayOptions) => {
      await assertGroup(options)
      await using store = await openStore({
        ...options,
        service: 'acuse',
        onError: ({ message }) => output.error(message),
      })
      const range = rangeOf(options)
      if (options.dryRun === true) {
        const count = await store.history.count(options.group, range)
        output.line(options.json ? json(count) : countText(count, options))
        return
      }
      const progress = await untilSignalled((signal) =>
        replayHistory(
          store,
          systemClock,
          {
            group: options.group,
            range,
            ordered: options.ordered,
            inboxRetentionMs: options.inboxDays * dayMs,
          },
          {
            again: options.again === true,
            most: options.most,
            signal,
            onProgress: ({ taken, skipped }) => output.error(`${taken} taken, ${skipped} passed over`),
            ...(options.after === undefined ? {} : { after: options.after }),
          },
        ),
      )
      output.line(options.json ? json(progress) : progressText(progress, options))
    })
}

/** Messages parked for a group that is not there would wait for ever. */
async function assertGroup(options: ReplayOptions): Promise<void> {
  const groups = await readGroups(options)
  if (groups.some(({ name }) => name === options.group)) return
  throw new ConfigurationError(
    `There is no group ${options.group} in schema ${options.schema}. Start a process that declares it first; \`from\` gives a new group its history.`,
  )
}

function rangeOf({ stream, type, key, from, to }: ReplayOptions): HistoryRange {
  return {
    stream,
    types: type,
    ...(key === undefined ? {} : { key }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  }
}

/** The first signal ends it between two pages. */
async function untilSignalled<R>(work: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const controller = new AbortController()
  const onSignal = (): void => controller.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  try {
    return await work(controller.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
}

function countText({ matching, known, first, last }: HistoryCount, { group, again }: ReplayOptions): string {
  if (matching === 0 || first === null || last === null) return 'Nothing in the log matches.'
  const would = again === true ? matching : matching - known
  return (
    `${counted(matching, 'message')}, published from ${first.toISOString()} to ${last.toISOString()}; ` +
    `${group} has taken ${known.toLocaleString('en')} of them. A replay would run ${would.toLocaleString('en')}.`
  )
}

function progressText({ taken, skipped, done, position }: HistoryProgress, { group }: ReplayOptions): string {
  const text = `Replaying ${counted(taken, 'message')} to ${group}; passed over ${skipped.toLocaleString('en')}.`
  return done ? text : `${text}\nCancelled. To go on from here: --after '${position}'`
}
