import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'

/** The folder of this repository, whatever folder a gate looks at. */
export const repository: string = dirname(dirname(import.meta.dirname))

export interface CommandResult {
  readonly ok: boolean
  /** Standard output and standard error, in that order. */
  readonly output: string
}

/** Runs one of the project's own development tools to its end and collects what it printed. */
export function runCommand(cwd: string, command: string, args: readonly string[]): CommandResult {
  const PATH = [join(repository, 'node_modules', '.bin'), process.env['PATH']].join(delimiter)
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH },
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.error !== undefined) throw result.error
  return { ok: result.status === 0, output: result.stdout + result.stderr }
}
