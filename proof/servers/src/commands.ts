import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface CommandOptions {
  /** After this the command is killed and the call fails. */
  readonly timeoutMs: number
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Called with each line of its standard output. */
  readonly onLine?: (line: string) => void
}

/** How much of an output an error carries. Erlang says what is wrong first, and then 60 lines about its processes. */
const lastLines = 100

/**
 * Runs a command to its end and answers its standard output. It dies with this process.
 *
 * @throws Error with the end of its output when it cannot be run, fails or takes too long.
 */
export async function run(command: readonly string[], options: CommandOptions): Promise<string> {
  const { timeoutMs, cwd, env = process.env, onLine } = options
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const output: string[] = []
  const errors: string[] = []
  if (onLine !== undefined) createInterface({ input: child.stdout }).on('line', onLine)
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const ended = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => {
      if (signal !== null) resolve(`was ended by ${signal}; it may take at most ${timeoutMs} ms`)
      else resolve(code === 0 ? null : `failed with code ${code}`)
    })
  })
  if (ended === null) return output.join('')
  throw new Error(`The command "${command.join(' ')}" ${ended}.\n${endOf(output.join('') + errors.join(''))}`)
}

/** The last lines of an output. */
export function endOf(output: string): string {
  return output.trimEnd().split('\n').slice(-lastLines).join('\n')
}
