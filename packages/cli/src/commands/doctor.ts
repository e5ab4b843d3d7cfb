import type { Command } from 'commander'
import { addDatabaseOptions, type DatabaseOptions, shown, storeUrl } from '../database-options.ts'
import { diagnose, type Finding } from '../diagnose.ts'
import { json, type Output, table } from '../output.ts'

interface DoctorOptions extends DatabaseOptions {
  readonly json?: true
}

export function addDoctor(program: Command, output: Output, exitWith: (code: number) => void): void {
  const command = program
    .command('doctor')
    .description('checks that a database keeps what it confirms, and is ready; exits with 1 if not')
  addDatabaseOptions(command)
    .option('--json', 'print one JSON document')
    .action(async (options: DoctorOptions) => {
      const { settings, findings } = await diagnose(options)
      if (findings.length > 0) exitWith(1)
      if (options.json) output.line(json({ well: findings.length === 0, settings, findings }))
      else output.line(textOf(shown(storeUrl(options)), settings, findings))
    })
}

function textOf(address: string, settings: Readonly<Record<string, string>>, findings: readonly Finding[]): string {
  const known = Object.keys(settings).length === 0 ? [] : [table(['SETTING', 'VALUE'], Object.entries(settings)), '']
  const verdict =
    findings.length === 0
      ? [`${address} is well: it keeps what it confirms, and the schema is up to date.`]
      : findings.map(({ code, message }) => `✗ ${code ?? 'error'}\n${message.replaceAll(/^/gm, '  ')}`)
  return [...known, ...verdict].join('\n')
}
