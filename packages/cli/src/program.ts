import { Command } from 'commander'
import { addDeadLetters } from './commands/dead-letters.ts'
import { addDoctor } from './commands/doctor.ts'
import { addGroups } from './commands/groups.ts'
import { addMigrate } from './commands/migrate.ts'
import { addRelay } from './commands/relay.ts'
import { addReplay } from './commands/replay.ts'
import type { Output } from './output.ts'

/** The `acuse` command. Its help ends with an exit code in an error of commander; `exitWith` is told of another code than 0. */
export function createProgram(output: Output, exitWith: (code: number) => void): Command {
  const program = new Command('acuse')
    .description('Operates Acuse: its schema, its relay, its history, its dead letters and groups.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.line(text.trimEnd()),
      writeErr: (text) => output.error(text.trimEnd()),
    })
    .showHelpAfterError('(--help tells what there is)')
  addMigrate(program, output)
  addRelay(program, output)
  addDeadLetters(program, output)
  addReplay(program, output)
  addGroups(program, output)
  addDoctor(program, output, exitWith)
  return program
}
