import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

/** Processor time spent so far, ms. */
export interface ProcessorTime {
  /** In the contestants' own processes. */
  readonly client: number
  /** In those of PostgreSQL: backends, and those that write what they have dirtied. */
  readonly server: number
  /** In those of the broker. */
  readonly broker: number
}

/** The kernel counts in hundredths of a second whatever its own clock is (USER_HZ). */
const msPerTick = 10

export interface ServerPids {
  readonly postgres: number
  readonly broker: number | undefined
}

/** What this process' children and the servers have used. Zero where there is no /proc, as outside of Linux. */
export function processorTime({ postgres, broker }: ServerPids): ProcessorTime {
  const all = readAll()
  const server = treeOf(postgres, all)
  const ofBroker = broker === undefined ? [] : treeOf(broker, all)
  const others = new Set([...server, ...ofBroker])
  const actors = all.filter((stat) => stat.parent === process.pid && !others.has(stat))
  return {
    client: sum(actors.map(({ own }) => own)),
    // Those of backends that have ended are counted with the postmaster.
    server: sum(server.map(({ own, reaped }) => own + reaped)),
    broker: sum(ofBroker.map(({ own, reaped }) => own + reaped)),
  }
}

/** A process and all that descend from it. */
function treeOf(pid: number, all: readonly Stat[]): Stat[] {
  const children = all.filter(({ parent }) => parent === pid).flatMap((child) => treeOf(child.pid, all))
  return [...all.filter((stat) => stat.pid === pid), ...children]
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
