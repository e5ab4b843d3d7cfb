import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { spawnWorker, type Worker } from './spawn.ts'

export type { Worker } from './spawn.ts'

/** Less than a test may take, so that the failure names the process that did not end. */
const mostMs = 120_000

const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

/** Starts a worker process; it does not outlive the test. */
export function startWorker(env: Readonly<Record<string, string>>): Worker {
  const started = spawnWorker(worker, env)
  onTestFinished(async () => {
    if (started.alive()) started.process.kill('SIGKILL')
    await started.ended
  })
  const ended = Promise.race([started.ended, tooLong(started)])
  ended.catch(() => undefined)
  return { ...started, ended }
}

async function tooLong({ errors, said }: Worker): Promise<never> {
  await pause(mostMs, undefined, { ref: false })
  throw new Error(`a process still runs after ${mostMs} ms; it said ${JSON.stringify(said())} ${errors()}`)
}
