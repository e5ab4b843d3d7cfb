import type { DeadLetterFilter } from '@acuse/core'
import { storable } from './texts.ts'

/** A condition on `d` (dead letters) and `g` (their groups), and the values of its parameters. */
export interface Condition {
  readonly text: string
  readonly values: readonly unknown[]
}

const defaultLimit = 100

export function limitOf(filter: DeadLetterFilter): number {
  return filter.limit ?? defaultLimit
}

/** The filter as SQL; what it leaves out matches everything. Parameters count from `first`. */
export function conditionOf(filter: DeadLetterFilter, first = 1): Condition {
  const parts: string[] = []
  const values: unknown[] = []
  const where = (value: unknown, part: (parameter: string) => string): void => {
    if (value === undefined) return
    parts.push(part(`$${first + values.length}`))
    values.push(typeof value === 'string' ? storable(value) : value)
  }
  where(filter.group, (p) => `g.name = ${p}`)
  where(filter.ids?.filter(isLetterId), (p) => `d.seq = any(${p}::bigint[])`)
  where(filter.stream, (p) => `d.stream = ${p}`)
  where(filter.type, (p) => `d.type = ${p}`)
  where(filter.key, (p) => `d.key = ${p}`)
  where(filter.fingerprint, (p) => `d.fingerprint = ${p}`)
  where(filter.reason, (p) => `d.reason = ${p}`)
  where(filter.state, (p) => `d.state = ${p}`)
  where(filter.diedAfter?.toISOString(), (p) => `d.died_at >= ${p}::timestamptz`)
  where(filter.diedBefore?.toISOString(), (p) => `d.died_at < ${p}::timestamptz`)
  return { text: parts.length === 0 ? 'true' : parts.join(' and '), values }
}

/** An id of another form names no letter here. */
function isLetterId(id: string): boolean {
  return /^\d{1,18}$/.test(id)
}
