import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A service in a process of its own, from its build. */
export interface ServiceProcess {
  readonly url: string
  /** Sends the signal and settles with the exit code once the process is gone; it can be started again then. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
  /** Starts it again on the same port. */
  start(): Promise<void>
}

const readyLine = /"(?:url":"|msg":"Server listening at )(http:[^"]+)"/

/** Starts a service and settles once it serves. It is killed when the process that started it ends. */
export async function startService(name: string, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const program = fileURLToPath(new URL(`../../${name}/dist/main.js`, import.meta.url))
  let child: ChildProcess | undefined
  let port = '0'
  let url = ''
  const start = async (): Promise<void> => {
    const spawned = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], LOG: 'quiet', ...env, PORT: port },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = spawned
    const complaints: string[] = []
    createInterface({ input: spawned.stderr }).on('line', (line) => complaints.push(line))
    url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: spawned.stdout })
        .on('line', (line) => {
          const found = readyLine.exec(line)?.[1]
          if (found !== undefined) resolve(found)
        })
        .on('close', () => reject(new Error(`${name} ended before it was ready: ${complaints.join('\n')}`)))
    })
    port = new URL(url).port
  }
  await start()
  return {
    url,
    start,
    async end(signal) {
      const ending = child
      child = undefined
      if (ending === undefined || ending.exitCode !== null) return ending?.exitCode ?? null
      const exited = once(ending, 'exit')
      ending.kill(signal)
      const [code] = (await exited) as [number | null]
      return code
    },
  }
}
