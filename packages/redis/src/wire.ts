import { priorities, type WireMessage } from '@acuse/core'
import { pairsOf, textOf } from './reply.ts'

/** Fields of an entry that say what its stream and lane do not. All others are the codec's headers. */
const fields = { id: 'acuse-id', type: 'acuse-type', key: 'acuse-key', body: 'acuse-body' } as const

const ownFields: ReadonlySet<string> = new Set(Object.values(fields))

/** The fields and values with which a message is added. */
export function entryOf({ id, type, key, headers, body }: WireMessage): (string | Buffer)[] {
  const entry: (string | Buffer)[] = [fields.id, id, fields.type, type]
  if (key !== null) entry.push(fields.key, key)
  for (const [name, value] of Object.entries(headers)) if (!ownFields.has(name)) entry.push(name, value)
  entry.push(fields.body, Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  return entry
}

/** An entry as it came. One that nobody gave an id has the same one each time it comes: its event's, or its place in the stream. */
export function wireMessageOf(
  entry: string,
  values: unknown,
  from: { stream: string; lane: number; name: string },
): WireMessage {
  const headers: Record<string, string> = {}
  const own = new Map<string, unknown>()
  for (const [name, value] of pairsOf(values)) {
    if (ownFields.has(name)) own.set(name, value)
    else headers[name] = textOf(value)
  }
  const id = textOf(own.get(fields.id))
  const body = own.get(fields.body)
  return {
    id: id || headers['ce-id'] || `${from.name}/${entry}`,
    type: textOf(own.get(fields.type)),
    stream: from.stream,
    key: own.has(fields.key) ? textOf(own.get(fields.key)) : (headers['ce-partitionkey'] ?? null),
    priority: priorities[from.lane] ?? 'normal',
    headers,
    body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
  }
}
