import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { spawnWorker, type Worker } from './spawn.ts'

export type { Worker } from './spawn.ts'

const worker = fileURLToPath(new URL('worker.ts', import.meta.url))

/** Starts a worker process; it does not outlive the test. */
export function startWorker(env: Readonly<Record<string, string>>): Worker {
  const started = spawnWorker(worker, env)
  onTestFinished(async () => {
    if (started.alive()) started.process.kill('SIGKILL')
    await started.ended
  })
  return started
}
