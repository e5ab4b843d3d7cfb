import { messageColumns } from './message-columns.ts'

/** Parameters or expressions for what a death adds to its message. */
export interface LetterValues {
  readonly error: string
  readonly fingerprint: string
  readonly attempts: string
  readonly reason: string
  readonly blocking: string
}

/**
 * Inserts dead letters for the messages that `from` names (grp, key_hash and the message columns).
 * One (group, id) has one dead letter: a message that died before, and was replayed, is the same one, dead again.
 */
export function insertLetter(schema: string, from: string, values: LetterValues): string {
  return `insert into ${schema}.dead_letter (
      grp, key_hash, ${messageColumns}, error, fingerprint, attempts, reason, blocking, state
    )
    select grp, key_hash, ${messageColumns}, ${values.error}::json, ${values.fingerprint}, ${values.attempts}::int,
      ${values.reason}, ${values.blocking}::boolean, 'dead'
    from ${from}
    on conflict on constraint dead_letter_message do update set
      error = excluded.error, fingerprint = excluded.fingerprint, attempts = excluded.attempts,
      reason = excluded.reason, blocking = excluded.blocking, state = excluded.state, died_at = excluded.died_at`
}
