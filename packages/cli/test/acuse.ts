import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Finished {
  readonly exitCode: number | null
  readonly output: string
  readonly errors: string
}

/** Runs `acuse` in a process of its own, to its end. */
export async function acuse(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const running = startAcuse(words, environment)
  const exitCode = await running.exited
  return { exitCode, output: running.output().join('\n'), errors: running.errors().join('\n') }
}

export interface RunningAcuse {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  readonly output: () => readonly string[]
  readonly errors: () => readonly string[]
  /** Resolves with the first line that matches; rejects when the process ends before. */
  readonly line: (matches: (line: string) => boolean) => Promise<string>
}

/** Starts `acuse`; it is killed at the end of the test if it still runs. */
export function startAcuse(words: readonly string[], environment: NodeJS.ProcessEnv = {}): RunningAcuse {
  const child = spawn(process.execPath, ['--conditions=@acuse/source', main, ...words], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output: string[] = []
  const errors: string[] = []
  const listeners = new Set<(line: string) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    output.push(line)
    for (const listener of listeners) listener(line)
  })
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
  const exited = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  return {
    child,
    exited,
    output: () => output,
    errors: () => errors,
    line: async (matches) => {
      const already = output.find(matches)
      if (already !== undefined) return already
      return new Promise((resolve, reject) => {
        listeners.add((line) => {
          if (matches(line)) resolve(line)
        })
        void exited.then((code) => reject(new Error(`acuse ended with ${code}: ${errors.join('\n')}`)))
      })
    },
  }
}
