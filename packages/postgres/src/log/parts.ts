import { type Priority, priorities } from '@acuse/core'

/** A part is what is owned and read as one: a partition of one lane of one stream, numbered over all streams. */
const partsOfStream = 1024
const partsOfLane = 256

export interface Part {
  readonly streamId: number
  /** 0 normal, 1 high, 2 critical. */
  readonly lane: number
  readonly partition: number
}

export function partNumber({ streamId, lane, partition }: Part): number {
  return streamId * partsOfStream + lane * partsOfLane + partition
}

export function partOf(part: number): Part {
  return {
    streamId: Math.floor(part / partsOfStream),
    lane: Math.floor((part % partsOfStream) / partsOfLane),
    partition: part % partsOfLane,
  }
}

/** The same for all parts of one lane of one stream. */
export function laneNumber(part: number): number {
  return Math.floor(part / partsOfLane)
}

/** Every part of a stream, over all lanes. */
export function partsOf(streamId: number, partitions: number): number[] {
  return priorities.flatMap((_, lane) =>
    Array.from({ length: partitions }, (__, partition) => partNumber({ streamId, lane, partition })),
  )
}

export function laneOf(priority: Priority): number {
  return priorities.indexOf(priority)
}

export function priorityOf(part: number): Priority {
  return priorities[partOf(part).lane] ?? 'normal'
}
