import { partitionHash, priorities, type WireMessage } from '@acuse/core'
import { StreamKeys } from '../src/keys.ts'
import { entryOf, wireMessageOf } from '../src/wire.ts'

/** A message as Redis holds it: an entry of a stream. */
export interface HeldByRedis {
  readonly key: string
  readonly fields: Readonly<Record<string, string>>
}

const prefix = 'acuse'

/** What is added, as the server will hold it. */
export function heldOf(message: WireMessage): HeldByRedis {
  const partition = partitionHash(message) % (message.partitions ?? 1)
  const key = new StreamKeys(prefix, message.stream).lane(partition, message.priority)
  return heldAt(key, entryOf(message).map(String))
}

export function heldAt(key: string, values: readonly string[]): HeldByRedis {
  const names = values.filter((_, index) => index % 2 === 0)
  return { key, fields: Object.fromEntries(names.map((name, index) => [name, values[2 * index + 1] ?? ''])) }
}

/** How it comes to a consumer. */
export function messageOf({ key, fields }: HeldByRedis): WireMessage {
  const [, stream = '', priority = ''] = /\{(.*)\}:\d+:(\w+)$/.exec(key) ?? []
  const lane = priorities.findIndex((one) => one === priority)
  const values = Object.entries(fields)
    .flat()
    .map((text) => Buffer.from(text))
  return wireMessageOf('1-0', values, { stream, lane, name: key })
}
