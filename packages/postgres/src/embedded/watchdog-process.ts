import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname, join, parse } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EmbeddedServerError } from './errors.ts'
import type { ServerPaths } from './paths.ts'
import { isRunning, markOf, signal, until } from './processes.ts'
import { readState, updateState } from './state.ts'

/** How long the watchdog may take to report in once the server is up. */
const reportTimeoutMs = 20_000

/**
 * Sees to it that a watchdog watches the folder: a small process that stops the server when its last user has died without leaving.
 * Returns when it has seen the server that `serverUp` waits for. Call it under the folder's lock.
 *
 * @throws EmbeddedServerError when the watchdog does not report in within 20 s.
 */
export async function ensureWatchdog(paths: ServerPaths, serverUp: Promise<unknown>): Promise<void> {
  const watching = readState(paths).watchdog
  if (watching && isRunning(watching)) return
  const child = launch(paths)
  const failed = once(child, 'error', 'exit')
  const reported = once(child, 'message')
  if (child.pid !== undefined) updateState(paths, { watchdog: markOf(child.pid) })
  await Promise.race([Promise.allSettled([serverUp]), failed])
  if (child.connected) child.send('look', () => undefined)
  const timeout = new AbortController()
  const late = delay(reportTimeoutMs, 'late', { signal: timeout.signal }).catch(() => 'late')
  const outcome = await Promise.race([reported, failed, late])
  timeout.abort()
  if (outcome !== 'message') {
    child.kill('SIGKILL')
    throw new EmbeddedServerError(
      `The watchdog of the server in ${paths.root} did not start (${outcome}); see ${paths.log}.`,
    )
  }
  child.disconnect()
  child.unref()
}

function launch(paths: ServerPaths): ChildProcess {
  const log = openSync(paths.log, 'a', 0o600)
  try {
    return spawn(process.execPath, [watchdogScript(), paths.root], {
      cwd: parse(paths.root).root,
      env: environment(),
      detached: true,
      stdio: ['ignore', 'ignore', log, 'ipc'],
      windowsHide: true,
    })
  } finally {
    closeSync(log)
  }
}

/** The name of the first of these events. */
async function once(child: ChildProcess, ...events: string[]): Promise<string> {
  return await new Promise((resolve) => {
    for (const event of events) child.once(event, () => resolve(event))
  })
}

/** Ends the folder's watchdog once the server has been stopped. Call it under the folder's lock. */
export async function dismissWatchdog(paths: ServerPaths): Promise<void> {
  const watching = readState(paths).watchdog
  if (!watching) return
  signal(watching, 'SIGKILL')
  await until(() => !isRunning(watching), 5_000)
  updateState(paths, { watchdog: null })
}

// Beside this file, in the form this file has: TypeScript in the source tree, JavaScript in a build.
function watchdogScript(): string {
  const self = fileURLToPath(import.meta.url)
  const script = join(dirname(self), self.endsWith('.ts') ? 'watchdog.ts' : 'watchdog.js')
  if (existsSync(script)) return script
  throw new EmbeddedServerError(
    `${script} is missing. It runs as a process of its own, so @acuse/postgres must not be bundled into ${self}; mark it as external.`,
  )
}

// Flags meant for this process (a debugger's port, loaders) do not suit another one.
function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_CHANNEL_FD: __, ...rest } = process.env
  return rest
}
