import type { Received } from '@acuse/core'
import type { LaneName, Place } from './place.ts'
import type { Pull } from './pull.ts'
import { type Stored, wireMessageOf } from './wire.ts'

/** A message of a lane, by its place in the stream. */
export interface LaneMessage extends Received {
  readonly sequence: number
}

/** A lane that a partition is read by. */
export interface LaneShape {
  readonly name: LaneName
  /** What the sink knows it by. */
  readonly partition: string
  readonly rank: number
}

export interface Lane extends LaneShape {
  readonly place: Place
  /** What has come and is not noted yet as begun. */
  readonly incoming: LaneMessage[]
  pull: Pull | undefined
}

/** Counts a message as open, unless it is nothing for this lane. `onDone` is called when it is acked. */
export function take(
  { place, name }: Lane,
  stored: Stored,
  types: readonly string[] | 'all',
  onDone: () => void,
): LaneMessage | undefined {
  const { sequence, body } = stored
  const message = wireMessageOf(stored)
  const isAsked = types === 'all' || types.includes(message.type)
  if (!isAsked || (name !== 'all' && message.priority !== name)) {
    place.done(sequence)
    place.passed(sequence)
    return undefined
  }
  place.arrived(sequence, body.byteLength)
  const ack = (): void => {
    place.done(sequence)
    onDone()
  }
  return { message, redelivered: place.isSuspect(sequence), ack, sequence }
}
