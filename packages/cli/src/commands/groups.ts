import { ConfigurationError, relayGroup } from '@acuse/core'
import type { GroupSummary } from '@acuse/postgres'
import type { Command } from 'commander'
import { addDatabaseOptions, type DatabaseOptions } from '../database-options.ts'
import { forgetGroup, readGroups } from '../group-tables.ts'
import { counted, json, type Output, table } from '../output.ts'

interface GroupsOptions extends DatabaseOptions {
  readonly json?: true
}

interface DeleteOptions extends GroupsOptions {
  readonly force?: true
}

export function addGroups(program: Command, output: Output): void {
  const parent = program
    .command('groups')
    .description('lists the groups of a database, and forgets those that are gone')
  addDatabaseOptions(parent.command('list').description('lists groups, who runs them, and what of theirs waits'))
    .option('--json', 'print one JSON document')
    .action(async (options: GroupsOptions) => {
      const groups = await readGroups(options)
      output.line(options.json ? json(groups) : listOf(groups))
    })
  addDatabaseOptions(
    parent
      .command('delete')
      .argument('<name>')
      .description('forgets a group, so that it holds no messages in the log any more'),
  )
    .option('--force', 'also while it runs, or while messages of it wait')
    .option('--json', 'print one JSON document')
    .action(async (name: string, options: DeleteOptions) => {
      await deleteGroup(name, options)
      output.line(options.json ? json({ deleted: name }) : `Forgot group ${name}. Its dead letters are kept.`)
    })
}

async function deleteGroup(name: string, options: DeleteOptions): Promise<void> {
  const group = (await readGroups(options)).find((one) => one.name === name)
  if (group === undefined) throw new ConfigurationError(`There is no group ${name} in schema ${options.schema}.`)
  const reason = whyNot(group)
  if (reason !== undefined && options.force !== true)
    throw new ConfigurationError(`Group ${name} ${reason} --force deletes it all the same.`)
  await forgetGroup(options, name)
}

function whyNot({ name, running, parked }: GroupSummary): string | undefined {
  if (name === relayGroup) return 'is the relay: it would send the whole log again.'
  if (running > 0) return `still runs (${running} alive) and would lose its place. Stop it first.`
  if (parked > 0) return `has ${counted(parked, 'parked message')} that would never run.`
  return undefined
}

function listOf(groups: readonly GroupSummary[]): string {
  if (groups.length === 0) return 'No groups.'
  return table(
    ['GROUP', 'READS', 'RUNNING', 'PARKED', 'DEAD LETTERS', 'SINCE'],
    groups.map(({ name, reads, running, parked, dead, since }) => [
      name,
      reads,
      running === 0 ? 'nowhere' : String(running),
      String(parked),
      String(dead),
      since?.toISOString() ?? '-',
    ]),
  )
}
