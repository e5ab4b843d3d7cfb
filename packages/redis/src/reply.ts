/** What the server answers has no types; these say what is expected of it. */
export function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

export function textOf(reply: unknown): string {
  if (typeof reply === 'string') return reply
  if (Buffer.isBuffer(reply)) return reply.toString()
  return typeof reply === 'number' ? String(reply) : ''
}

export function numberOf(reply: unknown): number {
  return Number(textOf(reply))
}

/** A flat list of names and values, as hashes and entries come. */
export function pairsOf(reply: unknown): [name: string, value: unknown][] {
  const flat = listOf(reply)
  const pairs: [string, unknown][] = []
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([textOf(flat[at]), flat[at + 1]])
  return pairs
}
