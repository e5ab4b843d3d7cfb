import type { Command } from 'commander'
import { addDatabaseOptions, type DatabaseOptions, shown, storeUrl } from '../database-options.ts'
import { loadPackage } from '../optional-package.ts'
import { json, type Output } from '../output.ts'

interface MigrateCommandOptions extends DatabaseOptions {
  readonly verify?: true
  readonly print?: true
  readonly json?: true
}

export function addMigrate(program: Command, output: Output): void {
  const command = program.command('migrate').description("applies Acuse's migrations to a database")
  addDatabaseOptions(command)
    .option('--verify', 'apply nothing; fail if something is pending')
    .option('--print', 'print the SQL for a tool of your own; needs no database')
    .option('--json', 'print one JSON document')
    .action((options: MigrateCommandOptions) => migrateCommand(options, output))
}

async function migrateCommand(options: MigrateCommandOptions, output: Output): Promise<void> {
  const { schema, verify, print } = options
  const { exportMigrations, migrate } = await loadPackage('@acuse/postgres', () => import('@acuse/postgres'))
  if (print) {
    const migrations = exportMigrations(schema)
    output.line(options.json ? json(migrations) : migrations.map(({ name, sql }) => `-- ${name}\n${sql}`).join('\n\n'))
    return
  }
  const url = storeUrl(options)
  const applied = await migrate(url, {
    schema,
    mode: verify ? 'verify' : 'auto',
    onBlocked: ({ message }) => output.error(message),
  })
  const place = `schema ${schema} of ${shown(url)}`
  if (options.json) output.line(json({ schema, applied }))
  else output.line(applied.length === 0 ? `Up to date: ${place}.` : `Applied ${applied.join(', ')} to ${place}.`)
}
