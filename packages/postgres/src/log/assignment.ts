import { partOf } from './parts.ts'

export interface Member {
  readonly id: string
  /** The ids of the streams it reads; null for all. */
  readonly streams: readonly number[] | null
}

export interface OwnedPart {
  readonly part: number
  readonly owner: string | null
}

/**
 * Who should own which part. Every member computes the same from the same rows, so nobody has to be asked.
 * Each lane of each stream is spread evenly, as the load is not even between lanes, and owners keep what they can.
 */
export function assign(parts: readonly OwnedPart[], members: readonly Member[]): Map<number, string> {
  const assigned = new Map<number, string>()
  const sorted = members.toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const totals = new Map(sorted.map(({ id }) => [id, 0]))
  for (const [stream, lane] of lanesOf(parts)) {
    const readers = sorted.filter(({ streams }) => streams === null || streams.includes(stream)).map(({ id }) => id)
    for (const [part, owner] of assignLane(lane, readers, totals)) {
      assigned.set(part, owner)
      totals.set(owner, (totals.get(owner) ?? 0) + 1)
    }
  }
  return assigned
}

function lanesOf(parts: readonly OwnedPart[]): [stream: number, parts: OwnedPart[]][] {
  const lanes = new Map<string, [number, OwnedPart[]]>()
  for (const owned of parts.toSorted((one, other) => one.part - other.part)) {
    const { streamId, lane } = partOf(owned.part)
    const name = `${streamId}/${lane}`
    const sameLane = lanes.get(name)
    if (sameLane === undefined) lanes.set(name, [streamId, [owned]])
    else sameLane[1].push(owned)
  }
  return [...lanes.values()]
}

function assignLane(
  parts: readonly OwnedPart[],
  readers: readonly string[],
  totals: ReadonlyMap<string, number>,
): [part: number, owner: string][] {
  if (readers.length === 0) return []
  const quota = quotas(parts, readers, totals)
  const kept = new Set<number>()
  const result: [number, string][] = []
  const give = (part: number, owner: string): void => {
    quota.set(owner, (quota.get(owner) ?? 0) - 1)
    result.push([part, owner])
  }
  for (const { part, owner } of parts) {
    if (owner === null || (quota.get(owner) ?? 0) <= 0) continue
    kept.add(part)
    give(part, owner)
  }
  for (const { part } of parts) {
    const next = readers.find((id) => (quota.get(id) ?? 0) > 0)
    if (!kept.has(part) && next !== undefined) give(part, next)
  }
  return result
}

/** An even share each; what is over goes to those who have least so far, then to those who own more of this lane already. */
function quotas(
  parts: readonly OwnedPart[],
  readers: readonly string[],
  totals: ReadonlyMap<string, number>,
): Map<string, number> {
  const share = Math.floor(parts.length / readers.length)
  const over = parts.length % readers.length
  const owns = (id: string): number => parts.filter(({ owner }) => owner === id).length
  const order = readers.toSorted(
    (one, other) =>
      (totals.get(one) ?? 0) - (totals.get(other) ?? 0) || owns(other) - owns(one) || (one < other ? -1 : 1),
  )
  return new Map(order.map((id, rank) => [id, share + (rank < over ? 1 : 0)]))
}
