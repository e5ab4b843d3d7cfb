import type { Findings } from '../checker.ts'

export interface Outcome {
  readonly name: string
  readonly caught: boolean
  /** What was found, and how often. */
  readonly by: Readonly<Record<string, number>>
  readonly tries: number
  readonly seconds: number
}

/** What of the findings is what the mutation has to show. */
export function countsOf(findings: Findings): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(findings)
      .map(([kind, found]: [string, readonly unknown[]]) => [kind, found.length] as const)
      .filter(([, count]) => count > 0),
  )
}

export function outcomeLine({ name, caught, by, tries, seconds }: Outcome): string {
  const found = Object.entries(by).map(([kind, count]) => `${kind} ${count}`)
  const verdict = caught ? 'caught ' : 'MISSED '
  const how = found.length === 0 ? 'nothing' : found.join(', ')
  return `${verdict} ${name.padEnd(62)} ${how} (${tries === 1 ? '1 try' : `${tries} tries`}, ${Math.round(seconds)} s)`
}
