import type { WireMessage } from '@acuse/core'
import { type KafkaRecord, Reader, readRecordsBatch } from '@platformatic/kafka'
import { recordBatch } from '../src/record-batch.ts'
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
  const frame = { producerId: 1n, producerEpoch: 0, firstSequence: 0, timestampMs: 0 }
  const { records } = readRecordsBatch(Reader.from(recordBatch([recordOf(message)], frame)))
  const { key, headers, value } = records[0] ?? { key: null, headers: [], value: null }
  const pairs = headers.map(([name, text]) => [name ?? Buffer.of(), text ?? Buffer.of()] as const)
  return heldAt(
    message.stream,
    partitionOf(message, message.partitions ?? 1),
    key,
    new Map(pairs),
    value ?? Buffer.of(),
  )
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
