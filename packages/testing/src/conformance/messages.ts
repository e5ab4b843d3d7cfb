import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { WireMessage } from '@acuse/core'

/** The partition count of every stream of the suites, in publishers and readers alike. */
export const partitions = 4

/** A name that no other case and no other run uses, so that all of them may share a server. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 13)}`
}

/** A message whose body is its label, so that a failed comparison can be read. */
export function wire(label: string, parts: Pick<WireMessage, 'stream'> & Partial<WireMessage>): WireMessage {
  return {
    id: randomUUID(),
    type: 'case.happened',
    partitions,
    key: null,
    priority: 'normal',
    headers: { 'ce-specversion': '1.0', 'content-type': 'text/plain' },
    body: Buffer.from(label),
    ...parts,
  }
}

export function labelOf(message: WireMessage): string {
  return Buffer.from(message.body).toString()
}

/** `a1`, `a2`, … of key `a`. */
export function series(
  count: number,
  parts: Pick<WireMessage, 'stream'> & { key: string } & Partial<WireMessage>,
): WireMessage[] {
  return Array.from({ length: count }, (_, index) => wire(`${parts.key}${index + 1}`, parts))
}

/** Fails unless `came` is the message that was sent, to the byte. A transport may add headers of its own, and need not tell the partition count. */
export function assertSame(came: WireMessage | undefined, sent: WireMessage): void {
  assert.ok(came, `${sent.id} did not come`)
  const { id, type, stream, key, priority } = sent
  const parts = { id: came.id, type: came.type, stream: came.stream, key: came.key, priority: came.priority }
  assert.deepEqual(parts, { id, type, stream, key, priority })
  assert.deepEqual({ ...came.headers, ...sent.headers }, { ...came.headers })
  assert.equal(Buffer.compare(came.body, sent.body), 0, `${came.body.length} bytes came, ${sent.body.length} were sent`)
}
