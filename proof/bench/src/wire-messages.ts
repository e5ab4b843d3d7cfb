import { cloudEvents, newId, type WireMessage } from '@acuse/core'
import { itemOf } from './payload.ts'

const codec = cloudEvents()
/** Encoded once: what is measured is a client and its broker, and the relay too sends what was encoded before. */
const pooled = 1_000
const partitions = 4

/** Makes messages as a relay would send them, each with an id of its own. `keys` 0 means unkeyed. */
export function wireMessages(stream: string, keys: number): (n: number) => WireMessage {
  const pool = Array.from({ length: pooled }, (_, n) => encoded(stream, n, keys))
  return (n) => {
    const template = pool[n % pooled] ?? encoded(stream, n, keys)
    const id = newId(Date.now())
    return { ...template, id, headers: { ...template.headers, 'ce-id': id, 'ce-correlationid': id } }
  }
}

function encoded(stream: string, n: number, keys: number): WireMessage {
  const { id, key, payload } = itemOf(n, keys)
  const type = 'order.placed'
  const nothing = { causationId: null, user: null, tenant: null, country: null, traceparent: null, tracestate: null }
  const envelope = { id, type, version: 1, key, data: payload, source: 'bench', time: new Date(), correlationId: id }
  const given = codec.encode({ ...envelope, ...nothing, priority: 'normal' })
  return { id, type, stream, partitions, key, priority: 'normal', ...given }
}
