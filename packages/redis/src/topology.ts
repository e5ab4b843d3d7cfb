import { AcuseError, type SourceStream, type StartFrom } from '@acuse/core'
import type { Redis } from 'ioredis'
import { StreamKeys } from './keys.ts'
import { listOf, numberOf } from './reply.ts'
import { declareScript, registerScript } from './stream-scripts.ts'

/** Stores a stream's partition count, if nobody has yet. Throws `ACUSE_STREAM_MISMATCH` where it is another one. */
export async function declareStream(redis: Redis, prefix: string, { name, partitions }: SourceStream): Promise<void> {
  const stored = numberOf(await declareScript.run(redis, [new StreamKeys(prefix, name).meta], [partitions]))
  if (stored !== partitions) throw mismatch(name, partitions, stored)
}

export interface Registered {
  /** Whether the group was registered before. */
  readonly known: boolean
  /** In how many lanes it had no place. */
  readonly made: number
}

/** Gives the group a place in every lane of a stream where it has none: at the earliest message, if it was known before. */
export async function registerGroup(
  redis: Redis,
  prefix: string,
  stream: SourceStream,
  group: string,
  from: StartFrom,
): Promise<Registered> {
  const keys = new StreamKeys(prefix, stream.name)
  const lanes = keys.lanesOf(stream).map(({ key }) => key)
  const reply = await registerScript.run(redis, [keys.meta, ...lanes], [stream.partitions, group, startOf(from)])
  const [stored, known, made] = listOf(reply).map(numberOf)
  if (stored !== stream.partitions) throw mismatch(stream.name, stream.partitions, stored ?? 0)
  return { known: known === 1, made: made ?? 0 }
}

/** The last id that does not belong to the group. Ids begin with the time at which the server took the message. */
function startOf(from: StartFrom): string {
  if (from === 'now') return '$'
  if (from === 'earliest' || from.getTime() <= 0) return '0'
  return `${from.getTime() - 1}-18446744073709551615`
}

function mismatch(stream: string, declared: number, stored: number): AcuseError {
  return new AcuseError(
    'ACUSE_STREAM_MISMATCH',
    `stream ${stream} is declared with ${declared} partitions here, but with ${stored} on the server. Every service must declare the same number.`,
  )
}
