import {
  AcuseError,
  type ClaimedLease,
  type Clock,
  type GroupLeases,
  type Lease,
  type LeaseTable,
  pause,
} from '@acuse/core'
import type { Bucket, Entry } from './bucket.ts'
import { keys } from './topology.ts'

export interface LeaseTableOptions {
  readonly bucket: Bucket
  readonly clock: Clock
  readonly group: string
  readonly member: string
  /** What this member reads: its streams. */
  readonly sets: readonly string[]
  readonly leaseMs: number
  /** Others may have something to claim or to give up. */
  readonly tellOthers: () => void
}

interface MemberRow {
  readonly sets: readonly string[]
  readonly leaseMs: number
  /** By the server's clock; null where it is when this very entry was written, which nobody knows before. */
  beatAtMs: number | null
}

interface LeaseRow {
  readonly owner: string | null
  readonly epoch: number
}

interface Table {
  readonly members: Map<string, MemberRow>
  readonly leases: Map<string, LeaseRow>
}

interface Read extends Table {
  readonly revision: number
  /** When it was written, by the server's clock: it is later now. */
  readonly nowMs: number
}

/** As many members at once have each had their turn then. */
const mostTries = 50
const longestPauseMs = 20

/**
 * A group's members and leases in one key of the bucket, which changes only as a whole. The server's clock is the time at which it wrote the
 * entry: no member's own clock counts. What an owner leaves in doubt lies with the partition's place.
 */
export class KeyLeaseTable implements LeaseTable {
  readonly #options: LeaseTableOptions
  #known = false

  constructor(options: LeaseTableOptions) {
    this.#options = options
  }

  async beat(): Promise<GroupLeases> {
    const { member, sets, leaseMs, tellOthers } = this.#options
    await this.#change(({ members, nowMs }) => {
      for (const [id, row] of members) if (endOf(row) < nowMs) members.delete(id)
      members.set(member, { sets, leaseMs, beatAtMs: null })
    })
    const table = await this.#read()
    if (!this.#known) tellOthers()
    this.#known = true
    return {
      members: [...table.members]
        .map(([id, row]) => ({ id, sets: row.sets, expiresInMs: endOf(row) - table.nowMs }))
        .filter(({ id, expiresInMs }) => id === member || expiresInMs > 0),
      leases: [...table.leases].map(([partition, { owner, epoch }]) => ({ partition, owner, epoch })),
    }
  }

  async claim(wanted: readonly Lease[]): Promise<readonly ClaimedLease[]> {
    const { member } = this.#options
    return this.#change(({ members, leases, nowMs }) => {
      const isFree = (owner: string | null): boolean => {
        const row = owner === null ? undefined : members.get(owner)
        return owner === member || row === undefined || endOf(row) < nowMs
      }
      const claimed: ClaimedLease[] = []
      for (const { partition, epoch } of wanted) {
        const row = leases.get(partition) ?? { owner: null, epoch: 0 }
        if (row.epoch !== epoch || !isFree(row.owner)) continue
        // By the clock, so that it grows on where the bucket was deleted: places outlive it in who still reads.
        const next = Math.max(epoch + 1, nowMs)
        leases.set(partition, { owner: member, epoch: next })
        claimed.push({ partition, epoch: next, clean: row.owner === null, inDoubt: [] })
      }
      return claimed
    })
  }

  async release(partition: string, epoch: number): Promise<void> {
    const { member, tellOthers } = this.#options
    await this.#change(({ leases }) => {
      const row = leases.get(partition)
      if (row?.owner === member && row.epoch === epoch) leases.set(partition, { owner: null, epoch })
    })
    tellOthers()
  }

  async leave(): Promise<void> {
    await this.#change(({ members }) => members.delete(this.#options.member))
    this.#options.tellOthers()
  }

  /** Reads, changes and writes until nobody has written in between. */
  async #change<R>(change: (table: Read) => R): Promise<R> {
    const { bucket, group, clock } = this.#options
    for (let tries = 0; tries < mostTries; tries++) {
      const table = await this.#read()
      const result = change(table)
      if ((await bucket.write(keys.leases(group), textOf(table), table.revision)) !== undefined) return result
      await pause(clock, Math.random() * longestPauseMs)
    }
    const text = `group ${group}: its leases changed ${mostTries} times while they were to be written; it is tried again.`
    throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
  }

  async #read(): Promise<Read> {
    const { bucket, group } = this.#options
    return tableOf(await bucket.read(keys.leases(group)))
  }
}

function endOf({ beatAtMs, leaseMs }: MemberRow): number {
  return (beatAtMs ?? Infinity) + leaseMs
}

function textOf({ members, leases }: Table): string {
  return JSON.stringify({ members: [...members], leases: [...leases] })
}

interface TableText {
  readonly members: readonly [string, MemberRow][]
  readonly leases: readonly [string, LeaseRow][]
}

function tableOf(entry: Entry | undefined): Read {
  if (entry === undefined) return { members: new Map(), leases: new Map(), revision: 0, nowMs: 0 }
  const text: TableText = JSON.parse(entry.value)
  const members = new Map(text.members)
  for (const row of members.values()) row.beatAtMs ??= entry.writtenAtMs
  return { members, leases: new Map(text.leases), revision: entry.revision, nowMs: entry.writtenAtMs }
}
