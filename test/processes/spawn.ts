import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface Worker {
  readonly process: ChildProcess
  /** Resolves when it is ready; rejects with what it printed if it ends before. */
  readonly ready: Promise<void>
  /** Resolves with how it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly errors: () => string
  /** The last line it printed as JSON, whatever it says. */
  readonly said: () => unknown
  /** Whether it still runs. */
  readonly alive: () => boolean
}

/** Starts a source file as a process that says `{"ready":true}` on a line of its own. Whoever starts it has to end it. */
export function spawnWorker(file: string, env: Readonly<Record<string, string>>): Worker {
  const child = spawn(process.execPath, ['--conditions=@acuse/source', file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  let last = 'null'
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => ({
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? (signal as NodeJS.Signals) : null,
  }))
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      last = line
      if (line.includes('"ready"')) resolve()
    })
    ended.then(
      ({ code, signal }) => reject(new Error(`the worker ended (${code ?? signal}) before it was ready: ${errors}`)),
      reject,
    )
  })
  ready.catch(() => undefined)
  return {
    process: child,
    ready,
    ended,
    errors: () => errors,
    said: () => JSON.parse(last) as unknown,
    alive: () => child.exitCode === null && child.signalCode === null,
  }
}
