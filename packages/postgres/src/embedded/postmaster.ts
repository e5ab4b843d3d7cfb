import { execFileSync } from 'node:child_process'
import { readFileSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerPaths } from './paths.ts'
import {
  childrenOf,
  commandOf,
  isDefunct,
  isRunning,
  markOf,
  processesIn,
  signal,
  until,
  workingDirectoryOf,
  type ProcessMark,
} from './processes.ts'
import { readState } from './state.ts'

/** How PostgreSQL is told to stop: `fast` ends transactions and writes a checkpoint, `immediate` is a crash by request. */
export type StopMode = 'fast' | 'immediate'

/** A running server, as it says in `postmaster.pid`. */
export interface Postmaster {
  readonly mark: ProcessMark
  readonly port: number
  readonly status: 'starting' | 'ready' | 'stopping'
}

/** The data directory itself where `data` is a symlink to it, which PostgreSQL must be started with and works in. */
export function realData(paths: ServerPaths): string {
  try {
    return realpathSync(paths.data)
  } catch {
    return paths.data
  }
}

/** The server that runs on the folder's data, whoever started it; null when there is none. */
export function findPostmaster(paths: ServerPaths): Postmaster | null {
  const lines = pidFileLines(paths)
  const mark = markOf(Number(lines[0] ?? 0))
  if (mark === null || !serves(mark, paths)) return justLaunched(paths)
  const status = lines[7]?.trim()
  return {
    mark,
    port: Number(lines[3]),
    status: status === 'ready' || status === 'stopping' ? status : 'starting',
  }
}

/**
 * Removes `postmaster.pid` where the pid in it belongs to another program by now, or to a server that has ended without being reaped:
 * PostgreSQL takes either for its predecessor and refuses to start. Its second guard, the shared memory of the data directory, stays.
 */
export function removeStalePidFile(paths: ServerPaths): void {
  const pid = Number(pidFileLines(paths)[0] ?? 0)
  if (pid <= 0 || findPostmaster(paths) !== null) return
  if (isDefunct(pid) || workingDirectoryOf(pid) !== null) rmSync(join(paths.data, 'postmaster.pid'), { force: true })
}

/** Stops the server, harder if it does not obey within `timeoutMs`; false if it still runs after that. */
export async function stopPostmaster(paths: ServerPaths, mode: StopMode, timeoutMs: number): Promise<boolean> {
  const running = findPostmaster(paths)
  if (running === null) return true
  const { mark } = running
  askToStop(paths, mark, mode)
  if (await until(() => !isRunning(mark), timeoutMs)) return true
  if (mode === 'fast') {
    askToStop(paths, mark, 'immediate')
    if (await until(() => !isRunning(mark), 10_000)) return true
  }
  return await killPostmaster(paths, mark)
}

/** Sends the request to stop and does not wait. */
export function askToStop(paths: ServerPaths, mark: ProcessMark, mode: StopMode): void {
  if (process.platform === 'win32') {
    // Windows has no signals: pg_ctl sends its own kind through a named pipe.
    const binaries = readState(paths).server?.binaries
    if (binaries === undefined) return
    execFileSync(join(binaries, 'bin', 'pg_ctl.exe'), ['kill', mode === 'fast' ? 'INT' : 'QUIT', String(mark.pid)])
    return
  }
  signal(mark, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
}

/**
 * Kills the server as a crash would, and waits until all its processes are gone. False if something still runs at the end.
 */
export async function killPostmaster(paths: ServerPaths, mark: ProcessMark): Promise<boolean> {
  const children = childrenOf(mark.pid)
  signal(mark, 'SIGKILL')
  return (await until(() => !isRunning(mark), 10_000)) && (await endOrphans(paths, children))
}

/**
 * Waits until no process of a server that died is left: they hold its shared memory, and one in the middle of a query does not notice.
 * Those left after 2 s are killed. Beside those `known`, they are found by their working directory where the system tells it.
 */
export async function endOrphans(paths: ServerPaths, known: readonly ProcessMark[] = []): Promise<boolean> {
  const orphans = [...known, ...processesIn(realData(paths), 'postgres')]
  const allGone = (): boolean => !orphans.some(isRunning)
  // One of them may turn out to be a server that had not written its pid file yet: that is no orphan.
  if (await until(() => allGone() || findPostmaster(paths) !== null, 2_000)) return true
  for (const orphan of orphans) signal(orphan, 'SIGKILL')
  return await until(allGone, 10_000)
}

// Between its launch and its pid file a server is known by the folder's state alone.
function justLaunched(paths: ServerPaths): Postmaster | null {
  const { server, port } = readState(paths)
  if (!server || server.startedAt === null || !isRunning(server)) return null
  return { mark: { pid: server.pid, startedAt: server.startedAt }, port: port ?? 0, status: 'starting' }
}

function pidFileLines(paths: ServerPaths): string[] {
  try {
    return readFileSync(join(paths.data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

// A pid file outlives a crash, and its pid may then belong to any program.
function serves(mark: ProcessMark, paths: ServerPaths): boolean {
  const started = readState(paths).server
  if (started?.pid === mark.pid && started.startedAt !== null) return started.startedAt === mark.startedAt
  const directory = workingDirectoryOf(mark.pid)
  if (directory !== null) return directory === realData(paths)
  if (process.platform === 'win32') return started?.pid === mark.pid
  return commandOf(mark.pid)?.includes(realData(paths)) ?? false
}
