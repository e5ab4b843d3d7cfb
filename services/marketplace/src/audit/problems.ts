import type { QueryResultRow } from 'pg'

import { grouped } from '../display/numbers.ts'
import type { Database } from '../database/database.ts'

/** What one question of the audit found. */
export interface Finding {
  count: number
  /** A sentence each for the first few, and one for the rest. */
  problems: string[]
}

/** So many of a kind are named one by one; a run that went wrong goes wrong thousands of times. */
const NAMED = 10

/** Asks for rows that must not be there. `sentence` says what one of them means; `kind` names the rest. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it says what the rows of the question are
export async function findNone<Row extends QueryResultRow>(
  audit: Database,
  question: string,
  sentence: (row: Row) => string,
  kind: string,
): Promise<Finding> {
  const [total] = await audit.query<{ count: string }>(`select count(*) as count from (${question}) q`)
  const count = Number(total?.count ?? 0)
  if (count === 0) return { count, problems: [] }
  const rows = await audit.query<Row>(`select * from (${question}) q limit ${NAMED}`)
  const problems = rows.map(sentence)
  if (count > rows.length) problems.push(`and ${grouped(count - rows.length)} more: ${kind}`)
  return { count, problems }
}
