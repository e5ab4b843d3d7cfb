import { priorities, type Priority, type SourceStream } from '@acuse/core'
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import type { NamedConfig } from './api.ts'

/** What NATS is asked for when a stream, or the bucket of places, is made. */
export interface StreamShape {
  readonly replicas: number
  readonly duplicateWindowMs: number
}

/** In the metadata of a stream: how many partitions its services have declared. */
export const partitionsEntry = 'acuse-partitions'

const nanosPerMs = 1_000_000

/** A dot would end a token of a subject, and a name of Acuse may hold any number of them; `=` is in none. */
export function tokenOf(name: string): string {
  return name.replaceAll('.', '=')
}

function nameOf(token: string): string {
  return token.replaceAll('=', '.')
}

export function streamNameOf(stream: string): string {
  return `acuse-${tokenOf(stream)}`
}

export function subjectOf(stream: string, partition: number, priority: Priority, type: string): string {
  return `acuse.${tokenOf(stream)}.${partition}.${priority}.${tokenOf(type)}`
}

export interface SubjectParts {
  readonly stream: string
  readonly priority: Priority
  readonly type: string
}

export function partsOf(subject: string): SubjectParts {
  const [, stream = '', , lane = '', ...type] = subject.split('.')
  return {
    stream: nameOf(stream),
    priority: priorities.find((priority) => priority === lane) ?? 'normal',
    // What somebody else has published may have a dot in its type.
    type: nameOf(type.join('.')),
  }
}

/**
 * What a consumer asks for: one partition, of one priority or of all, of the asked type or of all. Of several types it reads all and picks:
 * with a list of filters, even of one, 2.10 reads a file of the stream again and again (20,000 messages took 1 to 7 s of its processor, and
 * 0.1 s with one filter).
 */
export function filterOf(
  stream: string,
  partition: number,
  lane: Priority | 'all',
  types: readonly string[] | 'all',
): string {
  const [only, ...more] = types === 'all' ? [] : types
  const type = only === undefined || more.length > 0 ? '>' : tokenOf(only)
  return `acuse.${tokenOf(stream)}.${partition}.${lane === 'all' ? '*' : lane}.${type}`
}

/** A stream keeps all it has taken, on disk, until somebody takes it out: it says no when it is full. */
export function streamConfigOf(
  { name, partitions }: SourceStream,
  { replicas, duplicateWindowMs }: StreamShape,
): NamedConfig {
  return {
    name: streamNameOf(name),
    subjects: [`acuse.${tokenOf(name)}.>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    duplicate_window: duplicateWindowMs * nanosPerMs,
    metadata: { [partitionsEntry]: String(partitions) },
  }
}

export function bucketStreamOf(bucket: string): string {
  return `KV_${bucket}`
}

/** As NATS' own tools make and read a bucket of keys and values: the last value of each key. */
export function bucketConfigOf(bucket: string, { replicas }: Pick<StreamShape, 'replicas'>): NamedConfig {
  return {
    name: bucketStreamOf(bucket),
    subjects: [`$KV.${bucket}.>`],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    deny_delete: true,
    allow_rollup_hdrs: true,
  }
}

/** Keys of the bucket. */
export const keys = {
  leases: (group: string): string => `leases.${tokenOf(group)}`,
  start: (group: string, stream: string): string => `start.${tokenOf(group)}.${tokenOf(stream)}`,
  place: (group: string, stream: string, partition: number | '*'): string =>
    `place.${tokenOf(group)}.${tokenOf(stream)}.${partition}`,
} as const
