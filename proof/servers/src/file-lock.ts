import { spawn } from 'node:child_process'

/**
 * Takes an exclusive lock between processes on a file, does the work and gives it back.
 *
 * `flock` holds it while its standard input is open. The system closes that when this process ends, however it ends.
 *
 * @throws Error when another process kept it for `timeoutMs`.
 */
export async function withFileLock<T>(file: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const seconds = String(Math.ceil(timeoutMs / 1000))
  const holder = spawn('flock', ['--timeout', seconds, file, 'sh', '-c', 'echo; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const released = new Promise<void>((resolve) => {
    holder.once('error', () => resolve())
    holder.once('close', () => resolve())
  })
  const taken = await Promise.race([
    new Promise<true>((resolve) => holder.stdout.once('data', () => resolve(true))),
    released.then(() => false as const),
  ])
  if (!taken) throw new Error(`Another process has held the lock ${file} for ${seconds} s. End it, and try again.`)
  try {
    return await work()
  } finally {
    holder.stdin.end()
    await released
  }
}
