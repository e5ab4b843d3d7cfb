import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

/** Processor time spent so far, ms. */
export interface ProcessorTime {
  /** In the contestants' own processes. */
  readonly client: number
  /** In the server's: backends, and those that write what they have dirtied. */
  readonly server: number
}

/** The kernel counts in hundredths of a second whatever its own clock is (USER_HZ). */
const msPerTick = 10

/** What this process' children and a server have used. Zero where there is no /proc, as outside of Linux. */
export function processorTime(serverPid: number): ProcessorTime {
  const all = readAll()
  const childrenOf = (pid: number): Stat[] => all.filter(({ parent }) => parent === pid)
  const server = all.filter(({ pid }) => pid === serverPid)
  const backends = childrenOf(serverPid)
  const actors = childrenOf(process.pid).filter(({ pid }) => pid !== serverPid)
  return {
    client: sum(actors.map(({ own }) => own)),
    // Those of backends that have ended are counted with the postmaster.
    server: sum([...server.map(({ own, reaped }) => own + reaped), ...backends.map(({ own }) => own)]),
  }
}

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly own: number
  /** Of children that have ended. */
  readonly reaped: number
}

function readAll(): Stat[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0)
      .flatMap(statOf)
  } catch {
    return []
  }
}

function statOf(pid: number): Stat[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before it, in parentheses, may hold anything. proc(5) counts from 1: ppid 4, utime 14, stime 15, cutime 16, cstime 17.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const ticks = (number: number): number => (fields[number - 3] ?? 0) * msPerTick
    return [{ pid, parent: fields[1] ?? 0, own: ticks(14) + ticks(15), reaped: ticks(16) + ticks(17) }]
  } catch {
    // It ended between the two looks.
    return []
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
