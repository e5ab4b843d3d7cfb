import { crc32 } from 'node:zlib'
import { escapeLiteral } from 'pg'
import type { Accepting, Inbox, InboxItem, Opening, Verdict } from '@acuse/core'
import { prepared } from '../prepared.ts'
import type { ResultRow } from '../sql-client.ts'
import { runIn, type StoreBase } from './base.ts'
import { purgeInbox } from './inbox-purge.ts'
import { keyHash } from './key-hash.ts'
import { storable } from './texts.ts'

/** Which messages the groups of this database have taken. */
export function createInbox<Tx>(base: StoreBase<Tx>): Inbox<Tx> {
  const text = prepared(`select ${base.db.schema}.inbox_accept($1, $2, $3, $4) as answers`)
  return {
    accept: async (tx, group, items) => {
      const batch = batchOf(items)
      if (batch.firsts.length === 0) return []
      const grp = await base.groups.idOf(group)
      const [row] = await runIn(base, tx)(text, [grp, ...columnsOf(batch)])
      return verdictsOf(batch, row)
    },
    purge: (olderThanMs, limit) => purgeInbox(base.db, olderThanMs, limit),
  }
}

/** What a transaction begins with, in one statement without parameters, so that it can be sent together with BEGIN. */
export interface OpeningStatement {
  readonly text: string
  /** The verdicts in the row it gave; undefined where nothing was to be accepted. */
  verdicts(rows: readonly ResultRow[]): readonly Verdict[] | undefined
}

/** Undefined where a transaction begins with nothing. */
export async function openingOf<Tx>(
  base: StoreBase<Tx>,
  { accepting, idleMs }: Opening,
): Promise<OpeningStatement | undefined> {
  const limit = idleMs === undefined ? [] : [limitOf(idleMs)]
  const batch = batchOf(accepting?.items ?? [])
  if (accepting === undefined || batch.firsts.length === 0) {
    return limit.length === 0 ? undefined : { text: `select ${limit.join()}`, verdicts: () => undefined }
  }
  return {
    text: `select ${[...limit, await acceptOf(base, accepting, batch)].join()}`,
    verdicts: ([row]) => verdictsOf(batch, row),
  }
}

async function acceptOf<Tx>(base: StoreBase<Tx>, { group }: Accepting, batch: Batch): Promise<string> {
  const grp = await base.groups.idOf(group)
  const [ids, crcs, hashes] = columnsOf(batch)
  const numbers = hashes.map((hash) => hash ?? 'null')
  return `${base.db.schema}.inbox_accept(${grp}, ${textsLiteral(ids)}::text[], '{${crcs.join()}}'::integer[], '{${numbers.join()}}'::bigint[]) as answers`
}

/** Where the application has set a limit of its own, that one holds. */
function limitOf(idleMs: number): string {
  const setting = `'idle_in_transaction_session_timeout'`
  return `case current_setting(${setting}) when '0' then set_config(${setting}, '${Math.ceil(idleMs)}', true) end as limited`
}

/**
 * An array of texts as SQL text: one constant, as the server takes each element of `array[…]` for an expression of its own. With the
 * three arrays of 100 messages a round trip took 3.1 us a message that way, and takes 1.7.
 */
function textsLiteral(texts: readonly string[]): string {
  if (!special.test(texts.join(''))) return `'{"${texts.join('","')}"}'`
  return escapeLiteral(`{${texts.map((text) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join()}}`)
}

/** What ends or escapes an element of an array, or an SQL literal. */
const special = /["'\\]/

interface Candidate {
  readonly id: string
  readonly crc: number
  readonly keyHash: string | null
}

/** What `inbox_accept` answers. */
const verdicts: Readonly<Record<string, Verdict>> = { n: 'new', d: 'duplicate', c: 'conflict', b: 'blocked' }

/** Each id goes to the database once: a second message of it within the batch is a duplicate of the first. */
interface Batch {
  readonly candidates: readonly Candidate[]
  readonly firsts: readonly Candidate[]
}

function batchOf(items: readonly InboxItem[]): Batch {
  const candidates = items.map(candidateOf)
  const firsts = new Map<string, Candidate>()
  for (const candidate of candidates) if (!firsts.has(candidate.id)) firsts.set(candidate.id, candidate)
  return { candidates, firsts: [...firsts.values()] }
}

function columnsOf({ firsts }: Batch): [ids: string[], crcs: number[], hashes: (string | null)[]] {
  return [firsts.map(({ id }) => id), firsts.map(({ crc }) => crc), firsts.map(({ keyHash: hash }) => hash)]
}

function verdictsOf({ candidates, firsts }: Batch, row: ResultRow | undefined): readonly Verdict[] {
  const answers = typeof row?.['answers'] === 'string' ? row['answers'] : ''
  if (firsts.length === candidates.length) return candidates.map(({ id }, n) => verdictOf(answers[n], id))
  const places = new Map(firsts.map(({ id }, n) => [id, n]))
  return candidates.map((candidate) => {
    const place = places.get(candidate.id) ?? -1
    const first = firsts[place]
    if (first === candidate) return verdictOf(answers[place], candidate.id)
    return first?.crc === candidate.crc ? 'duplicate' : 'conflict'
  })
}

function verdictOf(answer: string | undefined, id: string): Verdict {
  const verdict = verdicts[answer ?? '']
  if (verdict === undefined) throw new InboxRaceError(id)
  return verdict
}

function candidateOf({ message, ordered }: InboxItem): Candidate {
  return { id: storable(message.id), crc: crc32(message.body) | 0, keyHash: ordered ? keyHash(message) : null }
}

/** An inbox row was there and gone again at one moment: a conflict, to be repeated at once. */
class InboxRaceError extends Error {
  override readonly name = 'InboxRaceError'
  readonly code = '40001'

  constructor(id: string) {
    super(`The inbox row of message ${id} was removed while it was being accepted.`)
  }
}
