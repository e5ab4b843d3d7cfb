/** What the buses of the services' processes did. A process that is killed takes up to half a second of it along. */
export interface Counts {
  /** Messages whose effects were committed, by group. */
  applied: number
  /** Attempts that failed and are repeated. */
  retries: number
  /** Messages that became dead letters. */
  dead: number
}

export function noCounts(): Counts {
  return { applied: 0, retries: 0, dead: 0 }
}

/** Adds up what processes report; anything else that comes is ignored. */
export function addCounts(sum: Counts, reported: unknown): void {
  if (typeof reported !== 'object' || reported === null) return
  for (const name of Object.keys(sum) as (keyof Counts)[]) {
    const value: unknown = Reflect.get(reported, name)
    if (typeof value === 'number' && Number.isFinite(value)) sum[name] += value
  }
}
