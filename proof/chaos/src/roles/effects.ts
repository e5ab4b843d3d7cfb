import type { Message } from '@acuse/core'
import type { PoolClient } from 'pg'
import type { Kind } from '../messages.ts'

/** What a handler did, as it goes into the `effects` table in its own transaction. */
export interface EffectRow {
  readonly group: string
  readonly message: Message
  readonly kind: Kind
  readonly key: string | null
  readonly sequence: number | null
  readonly amount?: number
  readonly attempt: number
  readonly process: string
  /** 0, or 1 for what runs after the dead letters were taken up again. */
  readonly round: number
}

/** Writes the effects of keyed messages in one statement: under the locks of their keys, each identity drawn after its key's lock. */
export async function writeEffects(tx: PoolClient, effects: readonly EffectRow[]): Promise<void> {
  const [first] = effects
  if (first === undefined) return
  const { rowCount } = await tx.query(
    `with locked as materialized (
       select key from chaos_key where key = any ($4::text[]) order by key for update
     )
     insert into effects (grp, message, kind, key, sequence, attempt, process, round)
     select $1, v.message, v.kind, v.key, v.sequence, 1, $6, $7
     from unnest($2::text[], $3::text[], $4::text[], $5::int[]) with ordinality v(message, kind, key, sequence, n)
     join locked using (key) order by v.n`,
    [
      first.group,
      effects.map(({ message }) => message.id),
      effects.map(({ kind }) => kind),
      effects.map(({ key }) => key),
      effects.map(({ sequence }) => sequence),
      first.process,
      first.round,
    ],
  )
  if (rowCount !== effects.length) throw new Error('there is no row to lock for one of the keys')
}

/**
 * Writes an effect. Of a key it does so under the lock of the key's row, and the identity is drawn after the lock is held,
 * until the commit: identities of a key are in the order in which its effects were committed.
 */
export async function writeEffect(tx: PoolClient, effect: EffectRow): Promise<void> {
  const { group, message, kind, key, sequence, amount = null, attempt, process, round } = effect
  // Only what has a sequence has an order to prove.
  const locked = sequence === null ? '' : ', (select key from chaos_key where key = $4 for update) as held'
  const { rowCount } = await tx.query(
    `insert into effects (grp, message, kind, key, sequence, amount, attempt, process, round)
     select v.* from (select $1::text, $2::text, $3::text, $4::text, $5::int, $6::int, $7::int, $8::text, $9::int) as v${locked}`,
    [group, message.id, kind, key, sequence, amount, attempt, process, round],
  )
  if (rowCount !== 1) throw new Error(`there is no row to lock for key ${key}`)
}
