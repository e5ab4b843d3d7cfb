import { partitionHash, priorities, type WireMessage } from '@acuse/core'

/** A message as a row of the log holds it. */
export interface HeldByLog {
  readonly stream: string
  /** 0 normal, 1 high, 2 critical. */
  readonly lane: number
  readonly partition: number
  readonly key: string | null
  readonly id: string
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What is appended, as the log will hold it. */
export function heldOf(message: WireMessage): HeldByLog {
  const { stream, key, id, type, headers, body } = message
  return {
    stream,
    lane: priorities.indexOf(message.priority),
    partition: partitionHash(message) % (message.partitions ?? 1),
    ...{ key, id, type, headers, body: Buffer.from(body).toString() },
  }
}

/** What a reader makes of it. */
export function messageOf({ lane, body, stream, key, id, type, headers }: HeldByLog): WireMessage {
  return { stream, key, id, type, headers, priority: priorities[lane] ?? 'normal', body: Buffer.from(body) }
}

/** Every row of the log, as a plain client reads it; `part` is stream, lane and partition in one number. */
export const readRows = `
select s.name as stream, l.part % 1024 / 256 as lane, l.part % 256 as partition, l.key, l.id, l.type, l.headers,
  convert_from(l.body, 'UTF8') as body
from acuse.log l join acuse.stream s on s.id = l.part / 1024`
