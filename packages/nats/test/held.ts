import type { WireMessage } from '@acuse/core'
import { PubHeaders } from '@nats-io/jetstream'
import { headers as noHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { streamNameOf, subjectOf } from '../src/topology.ts'
import { headersOf, partitionOf, wireMessageOf } from '../src/wire.ts'

/** A message as NATS holds it. */
export interface HeldByNats {
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What is published, as the server will hold it. */
export function heldOf(message: WireMessage): HeldByNats {
  const { stream, partitions = 1, priority, type, body } = message
  const headers = headersOf(message)
  headers.set(PubHeaders.ExpectedStreamHdr, streamNameOf(stream))
  return heldAt(subjectOf(stream, partitionOf(message, partitions), priority, type), headers, body)
}

export function heldAt(subject: string, headers: MsgHdrs | undefined, body: Uint8Array): HeldByNats {
  const texts = [...(headers ?? [])].map(([name, [value = '']]) => [name, value] as const)
  return { subject, headers: Object.fromEntries(texts), body: Buffer.from(body).toString() }
}

/** The headers as the plain client takes them. */
export function plainHeaders({ headers }: HeldByNats): MsgHdrs {
  const result = noHeaders()
  for (const [name, value] of Object.entries(headers)) result.set(name, value)
  return result
}

/** How it comes to a consumer. */
export function messageOf(held: HeldByNats): WireMessage {
  const { subject, body } = held
  return wireMessageOf({ subject, headers: plainHeaders(held), body: Buffer.from(body), sequence: 1, takenAt: '1' })
}
