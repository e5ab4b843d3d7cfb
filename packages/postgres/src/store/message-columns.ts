import { priorities, type Priority, type WireMessage } from '@acuse/core'
import { storable } from './texts.ts'

/** The columns that hold a message, the same in every table that keeps one. */
export const messageColumns = 'id, type, stream, key, priority, headers, body'

/** What a statement that reads `messageSelect` gives. */
export interface MessageRow {
  readonly id: string
  readonly type: string
  readonly stream: string
  readonly key: string | null
  readonly priority: number
  readonly headers: string
  readonly body: Uint8Array
}

/** The message columns of `alias`, with headers as text: an application may have changed how its client parses json. */
export function messageSelect(alias: string): string {
  return `${alias}.id, ${alias}.type, ${alias}.stream, ${alias}.key, ${alias}.priority, ${alias}.headers::text as headers, ${alias}.body`
}

/** The values of `messageColumns`, in order. */
export function messageValues(message: WireMessage): unknown[] {
  return [
    storable(message.id),
    storable(message.type),
    storable(message.stream),
    message.key === null ? null : storable(message.key),
    priorities.indexOf(message.priority),
    JSON.stringify(message.headers),
    asBuffer(message.body),
  ]
}

/** The message of a row. */
export function messageOfRow(row: MessageRow): WireMessage {
  return {
    id: row.id,
    type: row.type,
    stream: row.stream,
    key: row.key,
    priority: priorityOf(row.priority),
    headers: JSON.parse(row.headers) as Record<string, string>,
    body: row.body,
  }
}

function priorityOf(stored: number): Priority {
  return priorities[stored] ?? 'normal'
}

/** pg sends a Buffer as it is; some clients would send a plain Uint8Array as text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
