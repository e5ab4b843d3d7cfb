import { randomInt } from 'node:crypto'

import { HELP, OptionsError, readOptions } from './options.ts'
import type { Options } from './options.ts'
import { run } from './run/run.ts'

/** Bad options, as in most programs. */
const USAGE_ERROR = 2

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOrComplaint(args)
  if (options === undefined) return USAGE_ERROR
  if (options === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const interrupted = new AbortController()
  const interrupt = (): void => {
    // The second time it is meant: what still runs is killed as this process exits.
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  process.on('SIGHUP', interrupt)
  const output = options.json ? process.stderr : process.stdout
  return run(options, { output, json: (line) => process.stdout.write(`${line}\n`) }, interrupted.signal)
}

function optionsOrComplaint(args: readonly string[]): Options | 'help' | undefined {
  try {
    return readOptions(args, () => randomInt(2 ** 31 - 1))
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error
    process.stderr.write(`${error.message}\nTry --help.\n`)
    return undefined
  }
}
