import type { Reader } from './lease-shares.ts'

/** A member of a group that is alive by the server's clock. */
export interface LeaseMember extends Reader {
  readonly expiresInMs: number
}

/** A partition's row: it says who claimed it last, whether or not that member is alive. */
export interface Lease {
  readonly partition: string
  /** Null where it was released. */
  readonly owner: string | null
  /** Grows with each claim: what an earlier owner still sends is told by it. 0 where it was never claimed. */
  readonly epoch: number
}

export interface GroupLeases {
  readonly members: readonly LeaseMember[]
  /** A partition that was never claimed may be missing. */
  readonly leases: readonly Lease[]
}

export interface ClaimedLease {
  readonly partition: string
  readonly epoch: number
  /** Whether the owner before let go of it, or there was none. Otherwise it may have begun whatever is not acked. */
  readonly clean: boolean
  /** What an owner that let go may have begun and had not settled, by the broker's own ids. */
  readonly inDoubt: readonly string[]
}

/**
 * Where a group writes down who is alive and who owns what, for one member of it. Each call is atomic at the server, its times are by the
 * server's clock, and it settles: while the server is away it rejects.
 */
export interface LeaseTable {
  /** Says that this member lives for another `leaseMs`, and gives the group as it stands, this member included. */
  beat(): Promise<GroupLeases>
  /** Takes those whose epoch is still the given one and that no other member alive owns; leaves out the others. */
  claim(wanted: readonly Lease[]): Promise<readonly ClaimedLease[]>
  /** Frees a partition, if this member owns it by this epoch. */
  release(partition: string, epoch: number, inDoubt: readonly string[]): Promise<void>
  /** Takes this member off. What it still owns is free at once, and counts as not let go of. */
  leave(): Promise<void>
}
