import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import { postgresEnvironment } from './environment.ts'
import { EmbeddedServerError } from './errors.ts'
import type { ServerPaths } from './paths.ts'
import { freePort, isFree, isPort } from './ports.ts'
import {
  endOrphans,
  findPostmaster,
  killPostmaster,
  realData,
  removeStalePidFile,
  stopPostmaster,
} from './postmaster.ts'
import { isRunning, markOf, type ProcessMark } from './processes.ts'
import { boundLog, lastLogLines, logSize } from './server-log.ts'
import { serverArguments } from './settings.ts'
import { readState, updateState } from './state.ts'
import { closedFolderHint, spawnAs, type RunAs } from './unprivileged.ts'

/** What a start needs. */
export interface StartPlan {
  readonly paths: ServerPaths
  readonly binaries: Binaries
  readonly runAs: RunAs | null
  /** The only port to start on, or null to take the one of the last start if it is free, or any. */
  readonly port: number | null
  readonly settings: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** A given port that is taken may be let go by a program that is just ending; longer than this is no accident. */
const fixedPortTimeoutMs = 3_000

/**
 * Starts the server and waits until it takes connections; recovery after a crash is part of that. Call it under the folder's lock.
 *
 * @throws EmbeddedServerError when it does not come up within `timeoutMs`, or the given port stays taken.
 */
export async function startPostmaster(plan: StartPlan): Promise<void> {
  const deadline = performance.now() + plan.timeoutMs
  const portDeadline = plan.port === null ? deadline : Math.min(deadline, performance.now() + fixedPortTimeoutMs)
  for (;;) {
    await clearTheWay(plan.paths)
    const port = await choosePort(plan)
    if ((await isFree(port)) && (await startOn(port, plan, deadline)) === 'ready') return
    // Another process has the port, or took it between our look and the server's. Each round draws or waits anew.
    if (performance.now() >= portDeadline) throw portTaken(port, plan)
    await delay(100)
  }
}

// What processes that were killed may have left: children of a server, its pid file, and, from one that died between its launch of a
// server and its note of it, a server nobody knows the settings of.
async function clearTheWay(paths: ServerPaths): Promise<void> {
  await endOrphans(paths)
  await stopPostmaster(paths, 'fast', 10_000)
  removeStalePidFile(paths)
}

/** Waits until the server that already runs takes connections (true), or is gone (false). */
export async function waitUntilReady(paths: ServerPaths, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    const running = findPostmaster(paths)
    if (running === null) return false
    if (running.status === 'ready') return true
    await delay(20)
  }
  throw new EmbeddedServerError(
    `The server in ${paths.root} runs but took no connections within ${timeoutMs} ms. Its log ends:\n${lastLogLines(paths)}`,
  )
}

async function choosePort({ paths, port }: StartPlan): Promise<number> {
  if (port !== null) return port
  const last = readState(paths).port
  return last !== undefined && isPort(last) && (await isFree(last)) ? last : await freePort()
}

async function startOn(port: number, plan: StartPlan, deadline: number): Promise<'ready' | 'port taken' | 'outrun'> {
  const { paths } = plan
  boundLog(paths)
  const logStart = logSize(paths)
  const { mark, child } = await launch(port, plan)
  while (performance.now() < deadline) {
    const running = findPostmaster(paths)
    if (running?.mark.pid === mark.pid && running.status === 'ready') return 'ready'
    if (!isRunning(mark)) {
      if (running !== null) return 'outrun'
      const said = lastLogLines(paths, logStart)
      if (/could not bind|could not create any TCP/.test(said)) return 'port taken'
      throw await startFailure(`stopped at once (${exitOf(child)})`, said, port, plan)
    }
    await delay(20)
  }
  await killPostmaster(paths, mark)
  throw await startFailure(`was not ready within ${plan.timeoutMs} ms`, lastLogLines(paths, logStart), port, plan)
}

async function launch(port: number, plan: StartPlan): Promise<{ mark: ProcessMark; child: ChildProcess }> {
  const { paths, binaries, runAs, settings } = plan
  const log = openSync(paths.log, 'a', 0o600)
  try {
    const child = spawn(binaries.postgres, serverArguments(realData(paths), port, settings), {
      ...spawnAs(runAs),
      cwd: '/',
      env: postgresEnvironment(),
      // A session of its own: Ctrl-C in the terminal must not reach the server of all users.
      detached: true,
      stdio: ['ignore', log, log],
      windowsHide: true,
    })
    const mark = await spawned(child, plan)
    updateState(paths, { port, server: { ...mark, settings, binaries: binaries.folder } })
    child.unref()
    return { mark, child }
  } finally {
    closeSync(log)
  }
}

async function spawned(child: ChildProcess, { paths, binaries }: StartPlan): Promise<ProcessMark> {
  // `spawn` gives the pid at once or an error event soon; state is written before anything is awaited in between.
  child.on('error', () => undefined)
  if (child.pid !== undefined) return markOf(child.pid) ?? { pid: child.pid, startedAt: null }
  const cause = await new Promise((resolve) => child.once('error', resolve))
  throw new EmbeddedServerError(`${binaries.postgres} could not be run for ${paths.root}.`, { cause })
}

function exitOf(child: ChildProcess): string {
  return child.signalCode ?? `exit code ${child.exitCode ?? 'unknown'}`
}

async function startFailure(what: string, said: string, port: number, plan: StartPlan): Promise<EmbeddedServerError> {
  const hint = await closedFolderHint(realData(plan.paths), plan.runAs)
  const log = said === '' ? 'It wrote nothing to its log.' : `Its log ends:\n${said}`
  return new EmbeddedServerError(
    `PostgreSQL ${plan.binaries.version} in ${plan.paths.root} on port ${port} ${what}.${hint} ${log}`,
  )
}

function portTaken(port: number, { paths }: StartPlan): EmbeddedServerError {
  return new EmbeddedServerError(
    `Port ${port} for the server in ${paths.root} is taken by another program. Free it, or leave \`port\` out to have one chosen.`,
  )
}
