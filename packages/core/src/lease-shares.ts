import { partitionHash } from './partition.ts'

/** A partition, and the set within which partitions are spread evenly over the members that read it: as a stream, or a lane of one. */
export interface OwnablePartition {
  readonly name: string
  readonly set: string
}

/** Who owns a partition, as all members see it. */
export interface OwnedPartition extends OwnablePartition {
  /** Null where nobody alive owns it. */
  readonly owner: string | null
}

/** A member and the sets it reads. */
export interface Reader {
  readonly id: string
  readonly sets: readonly string[]
}

/**
 * Who should own which partition. Each member computes the same from the same table, so nobody has to be asked; and each set by itself,
 * as members may read different ones. Owners keep what they can.
 */
export function shareOut(partitions: readonly OwnedPartition[], members: readonly Reader[]): Map<string, string> {
  const shares = new Map<string, string>()
  const sets = Map.groupBy(partitions, ({ set }) => set)
  for (const [set, owned] of sets) {
    const readers = members.filter(({ sets: read }) => read.includes(set)).map(({ id }) => id)
    shareSet(set, owned, readers, shares)
  }
  return shares
}

function shareSet(
  set: string,
  partitions: readonly OwnedPartition[],
  readers: readonly string[],
  shares: Map<string, string>,
): void {
  const quota = quotas(set, partitions.length, readers)
  const take = (name: string, reader: string): void => {
    quota.set(reader, (quota.get(reader) ?? 0) - 1)
    shares.set(name, reader)
  }
  for (const { name, owner } of partitions) {
    if (owner !== null && (quota.get(owner) ?? 0) > 0) take(name, owner)
  }
  for (const { name } of partitions) {
    if (shares.has(name)) continue
    const next = [...quota.keys()].find((reader) => (quota.get(reader) ?? 0) > 0)
    if (next !== undefined) take(name, next)
  }
}

/**
 * An even share each. What is over goes by a rank that is another one for each set, so that many sets of one partition each are spread too.
 * Source: rendezvous hashing.
 */
function quotas(set: string, count: number, readers: readonly string[]): Map<string, number> {
  const share = Math.floor(count / readers.length)
  const over = count % readers.length
  const rank = (reader: string): number => partitionHash({ key: `${set} ${reader}`, id: '' })
  const order = readers.toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1))
  return new Map(order.map((reader, place) => [reader, share + (place < over ? 1 : 0)]))
}
