import { partitionHash, type WireMessage } from '@acuse/core'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import { partsOf } from './topology.ts'

/** Headers that say what the subject cannot hold. All others are the codec's. */
const own = {
  /** By it the server knows what it has taken already. */
  id: 'Nats-Msg-Id',
  key: 'acuse-key',
  /** Those of the codec that cannot be headers of NATS by their name, as JSON. */
  others: 'acuse-headers',
} as const

/** The server heeds what begins with `Nats-`, in some letters or others. */
const plainName = /^(?!nats-|acuse-)[a-z0-9_-]+$/i
/** A line break ends a header, blanks at its ends are cut off, and what was escaped has to be told from what was not. */
const unsafeText = /[%\r\n\0]|^\s+|\s+$/gu
const escaped = /(?:%[0-9A-Fa-f]{2})+/g

export function partitionOf(message: WireMessage, partitions: number): number {
  return partitionHash(message) % partitions
}

export function headersOf(message: WireMessage): MsgHdrs {
  const result = headers()
  const others: Record<string, string> = {}
  result.set(own.id, escape(message.id))
  if (message.key !== null) result.set(own.key, escape(message.key))
  for (const [name, value] of Object.entries(message.headers)) {
    if (plainName.test(name)) result.set(name, escape(value))
    else others[name] = value
  }
  if (Object.keys(others).length > 0) result.set(own.others, escape(JSON.stringify(others)))
  return result
}

/** What a message takes of the server's `max_payload`: headers and body. */
export function payloadBytes(given: MsgHdrs, body: Uint8Array): number {
  // NATS/1.0, and an empty line at the end.
  let bytes = 12 + body.byteLength
  for (const [name, values] of given) {
    for (const value of values) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 4
  }
  return bytes
}

/** A message as a stream holds it. */
export interface Stored {
  readonly subject: string
  readonly headers: MsgHdrs | undefined
  readonly body: Uint8Array
  readonly sequence: number
  /** When the server took it, by its clock; in nanoseconds or as a text, but always the same. */
  readonly takenAt: string
}

/** A message as it came. One that nobody gave an id has the same one each time it comes: its event's, or its place and when it was taken there. */
export function wireMessageOf({ subject, headers: given, body, sequence, takenAt }: Stored): WireMessage {
  const parts = partsOf(subject)
  const texts: Record<string, string> = {}
  let id = ''
  let key: string | null = null
  for (const [name, [value = '']] of given ?? []) {
    if (name === own.id) id = unescape(value)
    else if (name === own.key) key = unescape(value)
    else if (name === own.others) Object.assign(texts, othersOf(unescape(value)))
    else texts[name] = unescape(value)
  }
  return {
    ...parts,
    id: id || texts['ce-id'] || `${parts.stream}-${sequence}-${takenAt}`,
    key: key ?? texts['ce-partitionkey'] ?? null,
    headers: texts,
    body,
  }
}

function escape(text: string): string {
  return text.replace(unsafeText, (part) => encodeURIComponent(part))
}

function unescape(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(escaped, (part) => {
    try {
      return decodeURIComponent(part)
    } catch {
      // Somebody else's, and not escaped at all.
      return part
    }
  })
}

function othersOf(json: string): Record<string, string> {
  const texts: Record<string, string> = {}
  const parsed: unknown = parse(json)
  if (typeof parsed !== 'object' || parsed === null) return texts
  for (const [name, value] of Object.entries(parsed)) if (typeof value === 'string') texts[name] = value
  return texts
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
