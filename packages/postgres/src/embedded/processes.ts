import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCode } from './system-code.ts'

/**
 * One process, told apart from a later one that got the same pid. `startedAt` is the start time in clock ticks
 * where the system tells it without running a command (Linux), and null elsewhere.
 */
export interface ProcessMark {
  readonly pid: number
  readonly startedAt: string | null
}

interface ProcessStat {
  readonly state: string
  readonly parent: number
  readonly startedAt: string
}

/** The mark of a live process, or null when there is none: a zombie counts as gone. */
export function markOf(pid: number): ProcessMark | null {
  if (!answersSignals(pid)) return null
  const stat = procStat(pid)
  if (stat === null) return { pid, startedAt: null }
  return isGone(stat.state) ? null : { pid, startedAt: stat.startedAt }
}

/** The mark of this process. */
export function ownMark(): ProcessMark {
  return markOf(process.pid) ?? { pid: process.pid, startedAt: null }
}

/** Whether the very process the mark was taken of still runs. */
export function isRunning(mark: ProcessMark): boolean {
  const now = markOf(mark.pid)
  if (now === null) return false
  return mark.startedAt === null || now.startedAt === null || mark.startedAt === now.startedAt
}

/** Whether the pid is still taken though its process has ended, because its parent has not asked how. */
export function isDefunct(pid: number): boolean {
  return answersSignals(pid) && markOf(pid) === null
}

/** The live children of a process. */
export function childrenOf(pid: number): ProcessMark[] {
  return marksOf(childPids(pid))
}

/** The live processes of a program (by its file's name) that work in a folder; none where the system does not tell. */
export function processesIn(folder: string, program: string): ProcessMark[] {
  if (process.platform !== 'linux') return []
  return marksOf(allPids().filter((pid) => workingDirectoryOf(pid) === folder && programOf(pid) === program))
}

/** The working directory of a process, or null where the system does not tell. */
export function workingDirectoryOf(pid: number): string | null {
  if (process.platform !== 'linux') return null
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

/** The command line of a process, by `ps`; null where there is no such process or no `ps`. */
export function commandOf(pid: number): string | null {
  if (process.platform === 'win32') return null
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return null
  }
}

/** Sends a signal to exactly the process of the mark; one that is gone is none. */
export function signal(mark: ProcessMark, name: NodeJS.Signals): void {
  if (!isRunning(mark)) return
  try {
    process.kill(mark.pid, name)
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error
  }
}

/** Looks at a condition every `everyMs` until it holds (true) or `timeoutMs` has passed (false). */
export async function until(condition: () => boolean, timeoutMs: number, everyMs = 20): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() >= deadline) return false
    await delay(everyMs)
  }
  return true
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

function isGone(state: string): boolean {
  return state === 'Z' || state === 'X'
}

// /proc/<pid>/stat: "pid (name) state ppid …", the name may hold spaces and brackets; field 22 is the start time.
function procStat(pid: number): ProcessStat | null {
  if (process.platform !== 'linux') return null
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, parent] = fields
    const startedAt = fields[19]
    if (state === undefined || startedAt === undefined) return null
    return { state, parent: Number(parent), startedAt }
  } catch {
    return null
  }
}

function marksOf(pids: readonly number[]): ProcessMark[] {
  return pids.map(markOf).filter((mark) => mark !== null)
}

function allPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

function programOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return null
  }
}

function childPids(pid: number): number[] {
  if (process.platform === 'linux') return allPids().filter((candidate) => procStat(candidate)?.parent === pid)
  if (process.platform === 'win32') return []
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))
}
