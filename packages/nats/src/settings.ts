import { AcuseError, ConfigurationError } from '@acuse/core'
import { DiscardPolicy, PersistMode, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { partitionsEntry } from './topology.ts'

/** What `allowUnsafe` can name. Each of these loses messages that were confirmed. */
export type UnsafeSetting =
  | 'storage'
  | 'retention'
  | 'discard'
  | 'max_age'
  | 'max_msgs_per_subject'
  | 'replicas'
  | 'no_ack'
  | 'persist_mode'

interface Finding {
  readonly setting: UnsafeSetting
  readonly found: string
  readonly danger: string
  readonly mend: string
}

export interface Expected {
  readonly replicas: number
  readonly allowUnsafe: readonly UnsafeSetting[]
  /** A bucket keeps the last value of each key, and drops the others. */
  readonly isBucket?: boolean
}

/**
 * Refuses a stream that would lose what it has confirmed. How often the server syncs its disk (`sync_interval`, two minutes by default)
 * no client can read: with one replica set it to `always`, or a power cut takes what was confirmed since.
 */
export function assertSafeStream(config: StreamConfig, expected: Expected): void {
  const refused = findings(config, expected).filter(({ setting }) => !expected.allowUnsafe.includes(setting))
  if (refused.length === 0) return
  const text = refused
    .map(
      ({ setting, found, danger, mend }) =>
        `${found}: ${danger}. Mend it with: ${mend}. Or accept it with allowUnsafe: ['${setting}'].`,
    )
    .join('\n')
  throw new AcuseError('ACUSE_UNSAFE_SETTING', text)
}

/** What of a stream of others may lose messages; when it drops what was acked is theirs to say. */
export function lossesOf(config: StreamConfig): readonly string[] {
  return findings(config, { replicas: 1, allowUnsafe: [] })
    .filter(({ setting }) => setting !== 'retention')
    .map(({ found, danger }) => `${found}: ${danger}`)
}

/** Throws `ACUSE_STREAM_MISMATCH` where the stream has been declared with another number of partitions. */
export function assertPartitions(stream: string, partitions: number, config: StreamConfig): void {
  const declared = config.metadata?.[partitionsEntry]
  if (declared === String(partitions)) return
  if (declared === undefined) {
    throw new ConfigurationError(
      `stream ${stream}: ${config.name} does not say how many partitions it has. Say it with: nats stream edit ${config.name} --metadata ${partitionsEntry}=${partitions}`,
    )
  }
  throw new AcuseError(
    'ACUSE_STREAM_MISMATCH',
    `stream ${stream} is declared with ${partitions} partitions here, but with ${declared} on the server. Every service must declare the same number.`,
  )
}

/** Throws `ACUSE_CONFIGURATION` for what could never work. */
export function assertUsable(config: StreamConfig, subject: string): void {
  const { name } = config
  if (!config.subjects?.includes(subject)) {
    throw new ConfigurationError(
      `The stream ${name} does not take ${subject}. Mend it with: nats stream edit ${name} --subjects ${subject}`,
    )
  }
  if (config.sealed)
    throw new ConfigurationError(`The stream ${name} is sealed, so it takes nothing. Name another stream.`)
  if (config.subject_transform !== undefined) {
    throw new ConfigurationError(
      `The stream ${name} changes subjects (subject_transform), and with them partitions and types. Make it without.`,
    )
  }
}

function findings(config: StreamConfig, { replicas, isBucket = false }: Expected): readonly Finding[] {
  const { name } = config
  const found: Finding[] = []
  const add = (setting: UnsafeSetting, what: string, danger: string, mend: string): void => {
    found.push({ setting, found: `The stream ${name} has ${what}`, danger, mend })
  }
  const edit = `nats stream edit ${name}`
  const anew = `Empty and delete it; it is made anew. Acuse never deletes it: nats stream rm ${name}`
  if (config.storage !== StorageType.File) {
    add('storage', `storage ${config.storage}`, 'all of it is gone when the server restarts', anew)
  }
  if (config.retention !== RetentionPolicy.Limits) {
    add(
      'retention',
      `retention ${config.retention}`,
      'messages go when they were handed out, not when they were applied',
      anew,
    )
  }
  if (drops(config, isBucket)) {
    add(
      'discard',
      'a limit and discard old',
      'a full stream throws away messages nobody has read',
      `${edit} --discard new`,
    )
  }
  if (config.max_age > 0) {
    add(
      'max_age',
      `max_age ${config.max_age / 1e9} s`,
      'messages go whether or not they were read',
      `${edit} --max-age 0`,
    )
  }
  if (!isBucket && config.max_msgs_per_subject > 0) {
    const what = `max_msgs_per_subject ${config.max_msgs_per_subject}`
    add(
      'max_msgs_per_subject',
      what,
      'a partition keeps so many messages of a type',
      `${edit} --max-msgs-per-subject=-1`,
    )
  }
  if (config.num_replicas < replicas) {
    const what = `${config.num_replicas} replicas where ${replicas} are asked for`
    add('replicas', what, 'what was confirmed is gone with the disks that had it', `${edit} --replicas ${replicas}`)
  }
  if (config.no_ack === true) {
    add('no_ack', 'no_ack', 'nothing it takes is ever confirmed', `${edit} --ack`)
  }
  if (config.persist_mode === PersistMode.Async) {
    add('persist_mode', 'persist_mode async', 'it confirms what it has not written yet', anew)
  }
  return found
}

function drops({ discard, max_msgs, max_bytes }: StreamConfig, isBucket: boolean): boolean {
  return discard === DiscardPolicy.Old && (isBucket || max_msgs > 0 || max_bytes > 0)
}
