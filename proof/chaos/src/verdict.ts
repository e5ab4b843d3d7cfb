import type { Findings } from './checker.ts'
import { leastPerRun } from './faults/fault.ts'

/** What a run of 120 s has to reach, so that its zeros mean something. */
export const fullRun = { seconds: 120, committed: 20_000, kills: 40, retried: 1_000 } as const

export interface Figures {
  readonly seconds: number
  readonly committed: number
  readonly kills: number
  readonly retried: number
  readonly faults: Readonly<Record<string, number>>
  readonly crashPoints: { readonly hit: number; readonly total: number; readonly missing: readonly string[] }
  readonly drainedInTime: boolean
}

export interface Asked {
  /** The names of the faults that were to happen. */
  readonly faults: readonly string[]
  /** Whether all of them were. */
  readonly all: boolean
  /** What the producers aimed at, where it was said. */
  readonly messages: number | null
}

/** Why the run does not count, whatever it has found: too little happened. Empty where enough did. */
export function shortcomings(figures: Figures, asked: Asked): string[] {
  const share = figures.seconds / fullRun.seconds
  const least = (full: number): number => Math.max(1, Math.floor(full * share))
  const short: string[] = []
  const demand = (what: string, is: number, wanted: number): void => {
    if (is < wanted) short.push(`${what}: ${is}, at least ${wanted} in ${figures.seconds} s`)
  }
  demand('committed', figures.committed, Math.min(least(fullRun.committed), asked.messages ?? Infinity))
  if (asked.faults.includes('kill')) demand('kills', figures.kills, least(fullRun.kills))
  if (asked.all) demand('retried', figures.retried, least(fullRun.retried))
  for (const name of asked.faults) demand(`fault ${name}`, figures.faults[name] ?? 0, least(leastPerRun))
  const { hit, total, missing } = figures.crashPoints
  // Passing all of them takes a full run.
  if (asked.faults.includes('crash-points') && figures.seconds >= fullRun.seconds && hit < total) {
    short.push(`crash points: ${hit} of ${total} hit, and not ${missing.join(', ')}`)
  }
  if (!figures.drainedInTime) short.push('not drained in time')
  return short
}

export function isClean(findings: Findings): boolean {
  return Object.values(findings).every((found: readonly unknown[]) => found.length === 0)
}
