import { existsSync } from 'node:fs'
import { type CommandOptions, run } from './commands.ts'

/** Where Go's own archive puts it, which need not be in the path. */
const goArchive = '/usr/local/go/bin/go'

/**
 * Runs Go and answers its standard output. Debian 12's own is too old; from 1.21 on Go gets the release that is asked for by itself.
 *
 * @throws Error that says what could not be built, and which Go it takes.
 */
export async function runGo(what: string, command: readonly string[], options: CommandOptions): Promise<string> {
  const go = existsSync(goArchive) ? goArchive : 'go'
  return await run([go, ...command], options).catch((cause: unknown) => {
    const reason = cause instanceof Error ? `\n${cause.message}` : ''
    throw new Error(`${what} could not be built. It needs Go 1.21 or newer in the path or at ${goArchive}.${reason}`, {
      cause,
    })
  })
}
