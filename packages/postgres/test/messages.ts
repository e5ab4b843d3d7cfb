import { randomUUID } from 'node:crypto'
import type { Death, WireMessage } from '@acuse/core'

/** A message for tests; what is not said is made up. */
export function message(parts: Partial<WireMessage> & { readonly text?: string } = {}): WireMessage {
  const { text = '{}', ...given } = parts
  return {
    id: randomUUID(),
    type: 'order.placed',
    stream: 'orders',
    key: null,
    priority: 'normal',
    headers: { 'ce-type': 'order.placed' },
    body: Buffer.from(text),
    ...given,
  }
}

export function death(parts: Partial<Death> = {}): Death {
  return {
    reason: 'attempts-exhausted',
    error: { code: 'E_TEST', name: 'Error', message: 'it broke', stack: null },
    fingerprint: 'fingerprint',
    attempts: 3,
    ...parts,
  }
}
