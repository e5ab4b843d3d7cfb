import { partitionHash, priorities, type WireMessage } from '@acuse/core'
import type { KafkaRecord } from '@platformatic/kafka'
import { headerBytes, headerName, outgoingRecord, type OutgoingRecord } from './record-batch.ts'

/** Headers that say what a record has no field for. All others are the codec's. */
const own = {
  id: 'acuse-id',
  type: 'acuse-type',
  priority: 'acuse-priority',
} as const

const ownHeaders: ReadonlySet<string> = new Set(Object.values(own))
/** Attributes of CloudEvents are headers of Kafka by another prefix than elsewhere. Source: its Kafka protocol binding, version 1.0.2. */
const prefix = { ours: 'ce-', kafka: 'ce_' } as const
/** Where a record says its type, and one that is not ours may. */
const typeHeaders = [own.type, `${prefix.kafka}type`, `${prefix.ours}type`].map((name) => Buffer.from(name))

/** The record of a message. Its bytes are not copied. */
export function recordOf({ id, type, key, priority, headers: given, body }: WireMessage): OutgoingRecord {
  const headers: Uint8Array[] = []
  for (const name in given) if (!ownHeaders.has(name)) headers.push(header(name, given[name] ?? ''))
  headers.push(header(own.id, id), header(own.type, type), header(own.priority, priority))
  return outgoingRecord(key, body, headers)
}

interface Written {
  readonly name: Buffer
  text: string
  bytes: Buffer
}

/**
 * Each header that was written, with its last value: most are the same from one message to the next. Making the bytes of all anew was
 * 15 % of what a relay's process costs.
 */
const written = new Map<string, Written>()
/** Whoever makes up names as he goes does without, and what is long is not kept. */
const mostWritten = 200
const longestWritten = 1_024

function header(name: string, text: string): Buffer {
  const known = written.get(name)
  if (known?.text === text) return known.bytes
  const start = known?.name ?? headerName(renamed(name, prefix.ours, prefix.kafka))
  const bytes = headerBytes(start, text)
  if (text.length > longestWritten) return bytes
  if (known !== undefined) Object.assign(known, { text, bytes })
  else if (written.size < mostWritten) written.set(name, { name: start, text, bytes })
  return bytes
}

/** Which partition of its stream a message belongs to. */
export function partitionOf(message: WireMessage, partitions: number): number {
  return partitionHash(message) % partitions
}

/** The type of a record's message, without reading the rest. */
function typeOf({ headers }: KafkaRecord): string {
  for (const wanted of typeHeaders) {
    // From the end: that is where a relay writes it.
    const found = headers.findLast(([name]) => name?.equals(wanted))
    if (found !== undefined) return found[1]?.toString() ?? ''
  }
  return ''
}

/** What a record is to a group; null: none of its messages. */
export type RecordReading = (
  record: KafkaRecord,
  topic: string,
  partition: number,
  offset: number,
) => WireMessage | null

/** Reads messages of Acuse, of these types. */
export function readOurs(types: readonly string[] | 'all'): RecordReading {
  return (record, topic, partition, offset) =>
    types === 'all' || types.includes(typeOf(record)) ? wireMessageOf(topic, partition, offset, record) : null
}

/** A record as a message. One that nobody gave an id has that of its event, or its place, which is the same each time it comes. */
export function wireMessageOf(topic: string, partition: number, offset: number, record: KafkaRecord): WireMessage {
  const texts: Record<string, string> = {}
  let id = ''
  let priority = ''
  for (const [rawName, rawValue] of record.headers) {
    const name = rawName?.toString() ?? ''
    const value = rawValue?.toString() ?? ''
    if (name === own.id) id = value
    else if (name === own.priority) priority = value
    else if (!ownHeaders.has(name)) texts[renamed(name, prefix.kafka, prefix.ours)] = value
  }
  return {
    id: id || texts['ce-id'] || `${topic}-${partition}-${offset}`,
    type: typeOf(record),
    stream: topic,
    key: record.key?.toString() ?? null,
    priority: priorities.find((known) => known === priority) ?? 'normal',
    headers: texts,
    body: record.value ?? new Uint8Array(0),
  }
}

function renamed(name: string, from: string, to: string): string {
  return name.startsWith(from) ? `${to}${name.slice(from.length)}` : name
}
