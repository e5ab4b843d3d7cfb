import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cloudEvents, type Codec, type Message, plainEnvelope, type WireMessage } from '@acuse/core'

/**
 * What is on each broker, byte for byte. The folders are versions of the wire: the newest is what is sent, and all of them are read for
 * ever. UPDATE_GOLDEN=1 writes the newest anew, which is only right before it is released: after that a change is a new folder.
 */
export const codecs: Readonly<Record<string, Codec>> = {
  plain: plainEnvelope(),
  cloudevents: cloudEvents(),
  'cloudevents-structured': cloudEvents({ mode: 'structured' }),
}

export const versions: readonly string[] = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .toSorted((one, other) => Number(one.slice(1)) - Number(other.slice(1)))

export const newest: string = versions.at(-1) ?? 'v1'

const isWritten = process.env['UPDATE_GOLDEN'] === '1'

/** By the names of the samples. */
export type Vectors<Held> = Readonly<Record<string, Held>>

export function readVectors<Held>(version: string, file: string): Vectors<Held> {
  return JSON.parse(readFileSync(pathOf(version, file), 'utf8')) as Vectors<Held>
}

/** The vectors that what is sent is compared with; written first where that was asked for. */
export function expectedVectors<Held>(file: string, sent: Vectors<Held>): Vectors<Held> {
  if (isWritten) {
    mkdirSync(join(pathOf(newest, file), '..'), { recursive: true })
    writeFileSync(pathOf(newest, file), `${JSON.stringify(sent, null, 2)}\n`)
  }
  return readVectors(newest, file)
}

function pathOf(version: string, file: string): string {
  return join(import.meta.dirname, version, `${file}.json`)
}

/** A message as everybody has to understand it, whichever transport and codec it came by. */
export interface Meaning extends Omit<Message, 'time'> {
  readonly time: string
  /** The key that routes and orders it: of a tenant's message it has the tenant in it. */
  readonly routingKey: string | null
  readonly partitions: number
}

export function meaningOf(wire: WireMessage, codec: Codec, partitions: number): Meaning {
  const { id, type, stream, key, priority, headers, body } = wire
  const envelope = codec.decode({ headers, body })
  const routed = { id, type, stream, partitions, priority, routingKey: key }
  return { ...envelope, ...routed, time: envelope.time.toISOString() }
}
