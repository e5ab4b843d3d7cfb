import type { ClaimedLease, GroupLeases, Lease, LeaseTable } from '@acuse/core'
import type { Redis } from 'ioredis'
import { type LanePartition, StreamKeys } from './keys.ts'
import { beatScript, claimScript, leaveScript, releaseScript } from './lease-scripts.ts'
import { listOf, pairsOf, textOf } from './reply.ts'

export interface LeaseTableOptions {
  readonly redis: Redis
  readonly prefix: string
  readonly group: string
  readonly member: string
  readonly leaseMs: number
  readonly partitions: readonly LanePartition[]
}

/** A group's leases in Redis: a table for each stream, so that all of a script's keys are in one place. */
export class RedisLeaseTable implements LeaseTable {
  readonly #options: LeaseTableOptions
  readonly #byName: ReadonlyMap<string, LanePartition>
  readonly #streams: readonly string[]

  constructor(options: LeaseTableOptions) {
    this.#options = options
    this.#byName = new Map(options.partitions.map((partition) => [partition.name, partition]))
    this.#streams = [...new Set(options.partitions.map(({ stream }) => stream))]
  }

  async beat(): Promise<GroupLeases> {
    const states = await Promise.all(this.#streams.map((stream) => this.#beatStream(stream)))
    const members = new Map<string, { id: string; sets: string[]; expiresInMs: number }>()
    for (const member of states.flatMap((state) => state.members)) {
      const known = members.get(member.id)
      members.set(member.id, {
        id: member.id,
        sets: [...(known?.sets ?? []), ...member.sets],
        expiresInMs: Math.min(known?.expiresInMs ?? Infinity, member.expiresInMs),
      })
    }
    return { members: [...members.values()], leases: states.flatMap(({ leases }) => leases) }
  }

  async claim(wanted: readonly Lease[]): Promise<readonly ClaimedLease[]> {
    const { redis, member, group } = this.#options
    const claimed = await Promise.all(
      this.#streams.map(async (stream) => {
        const keys = this.#keysOf(stream)
        const ofStream = wanted.filter(({ partition }) => this.#byName.get(partition)?.stream === stream)
        if (ofStream.length === 0) return []
        const args = ofStream.flatMap(({ partition, epoch }) => [this.#fieldOf(partition), epoch])
        const reply = await claimScript.run(redis, [keys.members(group), keys.leases(group)], [member, ...args])
        return listOf(reply).map((row) => this.#claimedOf(stream, row))
      }),
    )
    return claimed.flat()
  }

  async release(partition: string, epoch: number, inDoubt: readonly string[]): Promise<void> {
    const { redis, member, group } = this.#options
    const keys = this.#keysOf(this.#byName.get(partition)?.stream ?? '')
    const doubt = inDoubt.length === 0 ? '-' : inDoubt.join()
    const args = [member, this.#fieldOf(partition), epoch, doubt]
    await releaseScript.run(redis, [keys.leases(group), keys.changes(group)], args)
  }

  async leave(): Promise<void> {
    const { redis, member, group } = this.#options
    await Promise.all(
      this.#streams.map((stream) => {
        const keys = this.#keysOf(stream)
        return leaveScript.run(redis, [keys.members(group), keys.changes(group)], [member])
      }),
    )
  }

  async #beatStream(stream: string): Promise<GroupLeases> {
    const { redis, member, group, leaseMs, partitions } = this.#options
    const keys = this.#keysOf(stream)
    const sets = new Set(partitions.filter((partition) => partition.stream === stream).map(({ set }) => set))
    const [members, leases] = listOf(
      await beatScript.run(
        redis,
        [keys.members(group), keys.leases(group), keys.changes(group)],
        [member, [...sets].join(), leaseMs],
      ),
    )
    return {
      members: pairsOf(members).map(([id, row]) => {
        const [expiresInMs, reads = ''] = textOf(row).split(' ')
        return { id, sets: reads.split(','), expiresInMs: Number(expiresInMs) }
      }),
      leases: pairsOf(leases).map(([field, row]) => {
        const [epoch, , , ...owner] = textOf(row).split(' ')
        const name = owner.join(' ')
        return { partition: nameOf(stream, field), owner: name === '' ? null : name, epoch: Number(epoch) }
      }),
    }
  }

  #claimedOf(stream: string, row: unknown): ClaimedLease {
    const [field = '', epoch, clean, doubt = '-'] = listOf(row).map(textOf)
    return {
      partition: nameOf(stream, field),
      epoch: Number(epoch),
      clean: clean === '1',
      inDoubt: doubt === '-' ? [] : doubt.split(','),
    }
  }

  #fieldOf(partition: string): string {
    return this.#byName.get(partition)?.field ?? ''
  }

  #keysOf(stream: string): StreamKeys {
    return new StreamKeys(this.#options.prefix, stream)
  }
}

function nameOf(stream: string, field: string): string {
  return `${stream}/${field.replace(':', '/')}`
}
