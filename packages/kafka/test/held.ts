import type { WireMessage } from '@acuse/core'
import type { KafkaRecord } from '@platformatic/kafka'
import { partitionOf, recordOf, wireMessageOf } from '../src/wire.ts'

/** A message as Kafka holds it. */
export interface HeldByKafka {
  readonly topic: string
  readonly partition: number
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly value: string
}

/** What is produced, as the broker will hold it. */
export function heldOf(message: WireMessage): HeldByKafka {
  const {
    topic,
    partition = -1,
    key,
    headers,
    value,
  } = recordOf(message, partitionOf(message, message.partitions ?? 1))
  return heldAt(topic, partition, key, headers instanceof Map ? headers : new Map(), value)
}

export function heldAt(
  topic: string,
  partition: number,
  key: Buffer | null | undefined,
  headers: ReadonlyMap<Buffer, Buffer>,
  value: Buffer,
): HeldByKafka {
  const texts = [...headers].map(([name, text]) => [name.toString(), text.toString()] as const)
  return {
    ...{ topic, partition, key: key?.toString() ?? null },
    ...{ headers: Object.fromEntries(texts), value: value.toString() },
  }
}

/** How it comes to a consumer. */
export function messageOf({ topic, partition, key, headers, value }: HeldByKafka): WireMessage {
  const pairs = Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])
  const record = { key: key === null ? null : Buffer.from(key), value: Buffer.from(value), headers: pairs }
  return wireMessageOf(topic, partition, 0, record as unknown as KafkaRecord)
}
