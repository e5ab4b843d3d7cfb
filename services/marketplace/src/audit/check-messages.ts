import type { Database } from '../database/database.ts'
import { findNone } from './problems.ts'
import type { Finding } from './problems.ts'

interface MessageRow {
  grp: string
  service: string
  type: string
  id: string
  key: string | null
  times: string
  reason: string
  before_type: string
}

export interface MessagesChecked {
  published: number
  applied: number
  deadLetters: number
  lost: number
  duplicated: number
  outOfOrder: number
  problems: string[]
}

/** A saga's timeouts are applied without ever being published: they wait within their group. */
const TIMEOUT_TYPE = 'acuse.saga.timeout'

/** A message that was committed twice counts where it was first. What somebody applied was sent, whatever its relay remembers. */
const COMMITTED = `(
  select c.service, c.id, c.type, c.stream, c.key, min(c.pos) as pos,
    bool_or(c.relayed) or exists (select from applied a where a.message_id = c.id) as sent
  from committed c group by c.service, c.id, c.type, c.stream, c.key)`

/** A message that a relay gave up is its dead letter, and no loss. */
const NOT_REFUSED = `not exists (select from dead d where d.grp = '$relay' and d.id = c.id and d.service = c.service)`

/**
 * What became of the messages: each committed one applied once by each group that subscribes it, in its key's order. Only the
 * services' own databases are asked, so that it holds for every transport.
 */
export async function checkMessages(audit: Database): Promise<MessagesChecked> {
  const [counts] = await audit.query<{ published: string; applied: string; dead: string }>(
    `select (select count(distinct id) from committed) as published, (select count(*) from applied) as applied,
       (select count(*) from dead) as dead`,
  )
  const unrelayed = await findUnrelayed(audit)
  const lost = await findLost(audit)
  const duplicated = await findDuplicated(audit)
  const outOfOrder = await findOutOfOrder(audit)
  const others = [await findUnexpected(audit), await findParked(audit)]
  return {
    published: Number(counts?.published ?? 0),
    applied: Number(counts?.applied ?? 0),
    deadLetters: Number(counts?.dead ?? 0),
    lost: unrelayed.count + lost.count,
    duplicated: duplicated.count,
    outOfOrder: outOfOrder.count,
    problems: [unrelayed, lost, duplicated, outOfOrder, ...others].flatMap(({ problems }) => problems),
  }
}

function findUnrelayed(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select c.service, c.type, c.id, c.key from ${COMMITTED} c where not c.sent and ${NOT_REFUSED} order by c.pos, c.id`,
    ({ service, ...message }) => `${named(message)} was committed by ${service} and never sent by its relay`,
    'messages that no relay has sent',
  )
}

function findLost(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select s.grp, c.type, c.id, c.key from ${COMMITTED} c
     join subscription s on s.type = c.type
     where c.sent and ${NOT_REFUSED}
       and not exists (select from applied a where a.grp = s.grp and a.message_id = c.id)
       and not exists (select from dead d where d.grp = s.grp and d.id = c.id)
     order by c.pos, s.grp`,
    ({ grp, ...message }) => `${named(message)} was lost: group ${grp} never applied it`,
    'messages that a group never applied',
  )
}

function findDuplicated(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select grp, type, message_id as id, key, count(*) as times from applied
     group by grp, type, message_id, key having count(*) > 1 order by min(seq), grp`,
    ({ grp, times, ...message }) => `${named(message)} was doubled: group ${grp} applied it ${times} times`,
    'messages applied more than once',
  )
}

/** An inversion is a message applied after one that comes later in its key; its first application counts. */
function findOutOfOrder(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select * from (
       select q.*, lag(q.furthest) over key_order as furthest_before, lag(q.type) over key_order as before_type
       from (
         select f.grp, c.service, c.type, c.id, c.stream, c.key, c.pos, f.seq, max(c.pos) over (
           partition by f.grp, c.service, c.stream, c.key order by f.seq rows between unbounded preceding and current row) as furthest
         from (select grp, message_id, min(seq) as seq from applied group by grp, message_id) f
         join ${COMMITTED} c on c.id = f.message_id
         where c.key is not null
       ) q
       window key_order as (partition by q.grp, q.service, q.stream, q.key order by q.seq)
     ) r where r.pos < r.furthest_before order by r.seq, r.grp`,
    ({ grp, before_type: before, ...message }) =>
      `${named(message)} was applied out of order: group ${grp} had applied a later message of its key already (${before} was the one before it)`,
    'messages applied out of order',
  )
}

/** What a rolled-back transaction published must not appear, nor what a group has not asked for. */
function findUnexpected(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select a.grp, a.type, a.message_id as id, a.key,
       case when s.grp is null then 'is not one of its types' else 'no service committed' end as reason
     from applied a
     left join subscription s on s.grp = a.grp and s.type = a.type
     where a.type <> '${TIMEOUT_TYPE}'
       and (s.grp is null or not exists (select from committed c where c.id = a.message_id))
     order by a.seq, a.grp`,
    ({ grp, reason, ...message }) => `group ${grp} applied ${named(message)}, which ${reason}`,
    'messages applied that should not have been',
  )
}

function findParked(audit: Database): Promise<Finding> {
  return findNone<MessageRow>(
    audit,
    `select grp, type, id, reason, null as key from parked order by service, grp, id`,
    ({ grp, reason, ...message }) => `${named(message)} still waits in group ${grp} (${reason})`,
    'messages that still wait',
  )
}

function named({ type, id, key }: Pick<MessageRow, 'type' | 'id' | 'key'>): string {
  return key === null ? `message ${type} ${id}` : `message ${type} ${id} of ${key}`
}
