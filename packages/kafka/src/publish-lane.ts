import { AcuseError, type ErrorCode, type PublishResult, type WireMessage } from '@acuse/core'
import { asAcuseError } from './errors.ts'
import type { Batch } from './producer.ts'
import type { OutgoingRecord } from './record-batch.ts'
import type { Topic } from './topics.ts'

/** A batch's own header, and some more. */
const batchFrameBytes = 100
const mostBatchBytes = 1_000_000
const mostBatchRecords = 5_000

/** Where a message goes, and as what. */
export interface Placed {
  readonly topic: Topic
  readonly partition: number
  readonly record: OutgoingRecord
}

/** A message that waits for its answer. */
export interface Pending {
  readonly message: WireMessage
  readonly record: OutgoingRecord
  readonly signal: AbortSignal
  readonly settle: (result: PublishResult) => void
}

/** A partition, of which one batch at a time is under way. */
export interface Lane {
  readonly topic: Topic
  readonly partition: number
  readonly queue: Pending[]
  /** What is sent; sent again it is the same batch. */
  sending: readonly Pending[]
  busy: boolean
  attempts: number
}

/** Its batch has an answer. */
export function next(lane: Lane): void {
  lane.sending = []
  lane.busy = false
  lane.attempts = 0
}

/** What fits into one batch, without what nobody waits for any more. */
export function take({ queue, topic }: Lane): Pending[] {
  const most = Math.min(topic.mostBytes, mostBatchBytes) - batchFrameBytes
  const batch: Pending[] = []
  let bytes = 0
  let taken = 0
  for (const pending of queue) {
    const isAborted = pending.signal.aborted
    if (!isAborted && batch.length > 0 && (bytes + pending.record.mostBytes > most || batch.length >= mostBatchRecords))
      break
    taken++
    if (isAborted) {
      pending.settle(failed('ACUSE_PUBLISH_TIMEOUT', pending.message, 'it was not confirmed in time; it is sent again'))
    } else {
      batch.push(pending)
      bytes += pending.record.mostBytes
    }
  }
  queue.splice(0, taken)
  return batch
}

export function batchOf({ topic, partition, sending }: Lane): Batch {
  return { topic: topic.name, partition, records: sending.map(({ record }) => record) }
}

/** Whether its topic takes a record of this size. */
export function fits({ topic, record }: Placed): boolean {
  return record.mostBytes + batchFrameBytes <= topic.mostBytes
}

export function overLimit(message: WireMessage, record: OutgoingRecord, { name, mostBytes }: Topic): PublishResult {
  return failed(
    'ACUSE_MESSAGE_TOO_LARGE',
    message,
    `it has ${record.mostBytes} bytes with its headers, and topic ${name} takes ${mostBytes} (max.message.bytes)`,
  )
}

export function unsent(message: WireMessage, error: unknown): PublishResult {
  return { state: 'failed', error: asAcuseError(error, `message ${message.type} ${message.id}`) }
}

export function failed(code: ErrorCode, { type, id }: WireMessage, why: string): PublishResult {
  return { state: 'failed', error: new AcuseError(code, `message ${type} ${id}: ${why}.`) }
}
