import { CommanderError } from 'commander'
import { failureOf } from './failure.ts'
import { consoleOutput, type Output } from './output.ts'
import { createProgram } from './program.ts'

/** Runs one command and gives the exit code: 0 done, 1 it failed or found something, 2 it was called wrongly. Never rejects. */
export async function run(words: readonly string[], output: Output = consoleOutput()): Promise<number> {
  let exitCode = 0
  const program = createProgram(output, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const { message, code } = failureOf(error)
    output.error(code === null ? `acuse: ${message}` : `acuse: ${message} (${code})`)
    return 1
  }
}
