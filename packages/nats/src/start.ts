import type { SourceStream, StartFrom } from '@acuse/core'
import { AckPolicy, DeliverPolicy, type StreamInfo } from '@nats-io/jetstream'
import { createConsumer, deleteConsumer } from './api.ts'
import type { Bucket } from './bucket.ts'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { keys, streamNameOf } from './topology.ts'

/** Where a group began to read a stream. Its partitions begin there, each until it has a place of its own. */
export interface Start {
  /** When the stream was made. */
  readonly created: string
  /** The last message that is not for the group. */
  readonly last: number
}

/** Writes down where a group starts in a stream, unless it has read it before. Durable when it resolves. */
export async function keepStart(
  { connection, bucket }: { readonly connection: Connection; readonly bucket: Bucket },
  group: string,
  { name }: SourceStream,
  from: StartFrom,
  info: StreamInfo,
): Promise<void> {
  const key = keys.start(group, name)
  if ((await bucket.read(key)) !== undefined) return
  const start: Start = { created: info.created, last: await lastBefore(connection, name, from, info) }
  // Another member may have been quicker; then it is its start that counts.
  await bucket.write(key, JSON.stringify(start), 0)
}

/** A group whose start is gone, as with a bucket that was deleted, begins at the earliest: never silently at the latest. */
export async function readStart(bucket: Bucket, group: string, stream: string, info: StreamInfo): Promise<Start> {
  const entry = await bucket.read(keys.start(group, stream))
  if (entry === undefined) return { created: info.created, last: 0 }
  const start: Start = JSON.parse(entry.value)
  return start
}

const nanosPerMs = 1_000_000
const questionMs = 5_000

/** The last message that is not for who starts there. */
export async function lastBefore(
  connection: Connection,
  name: string,
  from: StartFrom,
  info: StreamInfo,
): Promise<number> {
  if (from === 'now') return info.state.last_seq
  if (from === 'earliest') return Math.max(0, info.state.first_seq - 1)
  if (info.state.messages === 0 || new Date(info.state.last_ts) < from) return info.state.last_seq
  // The server says where a consumer that starts at a time begins.
  const stream = streamNameOf(name)
  try {
    const question = `acuse-start-${Math.random().toString(36).slice(2)}`
    const { delivered } = await createConsumer(connection, stream, {
      name: question,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: from.toISOString(),
      inactive_threshold: questionMs * nanosPerMs,
      mem_storage: true,
      num_replicas: 1,
    })
    deleteConsumer(connection, stream, question)
    return delivered.stream_seq
  } catch (error) {
    throw asAcuseError(error, `stream ${name}: where it was at ${from.toISOString()}`)
  }
}
