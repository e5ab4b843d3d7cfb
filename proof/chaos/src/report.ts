import type { Finding, Findings } from './checker.ts'
import type { HistoryLine } from './history.ts'

/** The run's last line. */
export interface Summary {
  readonly ok: boolean
  readonly transport: string
  /** Of the broker; 0 where there is none. */
  readonly nodes: number
  readonly seconds: number
  readonly seed: number
  readonly committed: number
  readonly applied: number
  readonly dead: number
  readonly replayed: number
  readonly lost: number
  readonly unexpected: number
  readonly duplicates: number
  readonly inversions: number
  readonly early: number
  readonly sagas: { readonly flows: number; readonly wrong: number }
  readonly parked: number
  readonly kills: number
  readonly retried: number
  readonly faults: Readonly<Record<string, number>>
  readonly crashPoints: { readonly hit: number; readonly total: number; readonly missing: readonly string[] }
  readonly ends: { readonly drained: number; readonly notDrained: number; readonly unexpected: number }
  readonly drainMs: number
  readonly shortcomings: readonly string[]
}

const mostFindings = 10

/** What a reader wants to know first. */
export function summaryText(summary: Summary): string {
  const { committed, applied, dead, replayed, kills, retried, crashPoints, faults, ends, sagas } = summary
  const zeros = ['lost', 'unexpected', 'duplicates', 'inversions', 'early', 'parked'] as const
  return [
    '',
    `committed ${committed}, applied ${applied} by both groups and the saga, dead letters ${dead} (run again: ${replayed})`,
    `${zeros.map((name) => `${name} ${summary[name]}`).join('  ')}  sagas ${sagas.flows}, wrong ${sagas.wrong}`,
    `kills ${kills}  retried ${retried}  crash points ${crashPoints.hit} of ${crashPoints.total}`,
    `faults ${Object.entries(faults)
      .map(([name, count]) => `${name} ${count}`)
      .join('  ')}`,
    `SIGTERM: drained ${ends.drained}, not in order ${ends.notDrained}; ended by themselves ${ends.unexpected}; drained in ${(summary.drainMs / 1_000).toFixed(1)} s`,
    '',
  ].join('\n')
}

/** Every finding, at most ten of a kind. */
export function findingsText(findings: Findings): string {
  const lines: string[] = []
  for (const [kind, found] of Object.entries(findings) as [string, readonly Finding[]][]) {
    if (found.length === 0) continue
    lines.push(`${kind}: ${found.length}`)
    for (const { group, text } of found.slice(0, mostFindings)) lines.push(`  group ${group}: ${text}`)
    if (found.length > mostFindings) lines.push(`  and ${found.length - mostFindings} more`)
  }
  return lines.join('\n')
}

/** The messages that the shown findings are about. */
export function messagesOf(findings: Findings): Set<string> {
  const shown = Object.values(findings).flatMap((found: readonly Finding[]) => found.slice(0, mostFindings))
  return new Set(shown.flatMap(({ messages }) => messages))
}

/** What happened to a message, in the order of time, with the time since its first line. */
export function historyText(id: string, lines: readonly HistoryLine[]): string {
  const beganMs = lines[0]?.at ?? 0
  const told = lines.map(({ at, process, pid, event, group, attempts, text }) => {
    const about = [group, attempts === undefined ? undefined : `attempt ${attempts}`, text].filter(Boolean).join(', ')
    return `  +${String(at - beganMs).padStart(6)} ms  ${process} (${pid})  ${event}${about === '' ? '' : `: ${about}`}`
  })
  return [
    `message ${id}${lines[0] === undefined ? ': nothing is logged of it' : `, ${new Date(beganMs).toISOString()}`}`,
    ...told,
  ].join('\n')
}
