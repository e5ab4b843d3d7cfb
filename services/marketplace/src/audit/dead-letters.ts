import type { Database } from '../database/database.ts'
import { findNone } from './problems.ts'

interface LetterRow {
  service: string
  grp: string
  id: string
  type: string
  error: string | null
}

/** The dead letters in a sentence each, the first few. They are no loss: an operator replays or discards them. */
export async function describeDeadLetters(audit: Database): Promise<string[]> {
  const { problems } = await findNone<LetterRow>(
    audit,
    'select service, grp, id, type, error from dead order by service, grp, id',
    ({ grp, id, type, error }) => `dead letter: message ${type} ${id} in group ${grp}: ${error ?? 'no error was kept'}`,
    'dead letters',
  )
  return problems
}
