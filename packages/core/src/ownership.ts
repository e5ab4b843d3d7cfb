import { type Clock, pause } from './clock.ts'
import { AcuseError, messageOf } from './errors.ts'
import { type OwnablePartition, shareOut } from './lease-shares.ts'
import type { ClaimedLease, GroupLeases, Lease, LeaseTable } from './lease-table.ts'
import { Loop } from './loop.ts'

/** What owning means to whoever reads the partitions. */
export interface OwnershipHooks {
  /** It is this member's from now on: read it. */
  own(claimed: ClaimedLease): void
  /**
   * Another member should have it. Resolves when the sink has let go of it and its acks are stored, with what is in doubt; with null where
   * that cannot be said, and then it is not released but claimed again. Never rejects.
   */
  give(partition: string): Promise<readonly string[] | null>
  /** Another member has it, or may have: nothing of it counts any more. Resolves when the sink has let go of it; never rejects. */
  lose(partition: string): Promise<void>
}

export interface OwnershipOptions {
  readonly table: LeaseTable
  readonly hooks: OwnershipHooks
  readonly group: string
  readonly member: string
  /** All that this member reads, whoever owns it. */
  readonly partitions: readonly OwnablePartition[]
  readonly leaseMs: number
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /** Time that neither jumps nor stops with the process, ms; default `performance.now`. */
  readonly monotonicMs?: () => number
}

interface Held {
  readonly epoch: number
  state: 'owned' | 'giving' | 'losing'
}

const retryMs = 250
/** How much later than another member's lease ends is looked for it. */
const afterExpiryMs = 20
/** Who leaves waits so long for the server; then the leases run out by themselves. */
const leaveWithinMs = 1_000

/**
 * Keeps a member alive in its group and its share of the partitions owned, for brokers that have no exclusive consumers. A partition has
 * one owner at a time: the lease ends here, by the monotonic clock, before it ends at the server.
 */
export class Ownership {
  readonly #options: OwnershipOptions
  readonly #loop: Loop
  readonly #held = new Map<string, Held>()
  readonly #giving = new Set<Promise<void>>()
  #validUntilMs = -Infinity
  #cancelExpiry: (() => void) | undefined
  #failing = false
  #staying = true

  constructor(options: OwnershipOptions) {
    this.#options = options
    this.#loop = new Loop({
      clock: options.clock,
      round: () => this.#round(),
      onError: (error) => this.#report(error),
    })
  }

  /** Whether what this member owns is certainly still its own. Ask before anything is begun: after SIGSTOP no timer has fired yet. */
  get valid(): boolean {
    return this.#now() < this.#validUntilMs
  }

  /** The epoch by which it owns a partition, also while it gives it up. */
  epochOf(partition: string): number | undefined {
    const held = this.#held.get(partition)
    return held === undefined || held.state === 'losing' ? undefined : held.epoch
  }

  /** Joins the group and claims its share. Rejects when the server is away. */
  async start(): Promise<void> {
    // Alone, and only then by what others ask for: of two claims at once the later takes what the earlier got for what a dead owner left.
    await this.#beat()
    this.#loop.start()
  }

  /** Looks at the group at once: another member came or left, or let go of something. */
  refresh(): void {
    this.#loop.wake()
  }

  /** The server may have forgotten what it was told, as after a restart: nothing that is owned counts any more, and it is claimed anew. */
  distrust(): void {
    this.#validUntilMs = -Infinity
    this.#loseAll()
    this.#loop.wake()
  }

  /** Loses what the lease has run out for. Done by itself too; this is for who finds out sooner. */
  expire(): void {
    if (this.valid) return
    const { group, leaseMs } = this.#options
    if (!this.#loseAll()) return
    const text = `group ${group}: its leases could not be renewed for ${leaseMs} ms; others may own its partitions now.`
    this.#options.onError(new AcuseError('ACUSE_LEASE_LOST', text))
    this.#loop.wake()
  }

  /** From now on nothing is claimed nor given up; leases are still renewed. For the time in which what is out is waited for. */
  settle(): void {
    this.#staying = false
  }

  /**
   * Releases what is owned, with what is in doubt of each, and leaves the group. Where that cannot be said (null) all that is not acked is.
   * Waits at most 1 s for the server.
   */
  async leave(inDoubtOf: (partition: string) => readonly string[] | null): Promise<void> {
    this.settle()
    const { table, clock } = this.#options
    const work = (async () => {
      await this.#loop.stop()
      await Promise.all(this.#giving)
      const owned = this.valid ? [...this.#held].filter(([, { state }]) => state === 'owned') : []
      await Promise.all(
        owned.map(async ([name, { epoch }]) => {
          const inDoubt = inDoubtOf(name)
          if (inDoubt !== null) await table.release(name, epoch, inDoubt)
        }),
      )
      await table.leave()
    })()
    // A server that is away finds out by itself when the leases run out.
    await Promise.race([work.catch(() => undefined), pause(clock, leaveWithinMs)])
    this.#cancelExpiry?.()
    this.#validUntilMs = -Infinity
    this.#held.clear()
  }

  async #round(): Promise<number> {
    try {
      const nextMs = await this.#beat()
      this.#failing = false
      return nextMs
    } catch (error) {
      if (!this.#failing) this.#report(error)
      this.#failing = true
      return Math.min(retryMs, this.#options.leaseMs / 10)
    }
  }

  /** Gives when the next beat is due, ms. */
  async #beat(): Promise<number> {
    const { table, leaseMs, member } = this.#options
    const beganMs = this.#now()
    const group = await table.beat()
    // Counted from before it was sent, so that the lease ends here before it ends at the server.
    this.#renewed(beganMs + leaseMs)
    const rows = new Map(group.leases.map((lease) => [lease.partition, lease]))
    for (const [name, { epoch, state }] of this.#held) {
      const row = rows.get(name)
      if (state !== 'losing' && (row?.owner !== member || row.epoch !== epoch)) void this.#lose(name)
    }
    if (this.#staying) await this.#rebalance(group, rows)
    const others = group.members.filter(({ id }) => id !== member)
    return Math.min(leaseMs / 3, ...others.map(({ expiresInMs }) => expiresInMs + afterExpiryMs))
  }

  async #rebalance({ members }: GroupLeases, rows: ReadonlyMap<string, Lease>): Promise<void> {
    const { table, hooks, member, partitions } = this.#options
    const alive = new Set(members.map(({ id }) => id))
    const ownerOf = (name: string): string | null => {
      const owner = rows.get(name)?.owner ?? null
      return owner !== null && alive.has(owner) ? owner : null
    }
    const shares = shareOut(
      partitions.map((partition) => ({ ...partition, owner: ownerOf(partition.name) })),
      members,
    )
    for (const [name, held] of this.#held) {
      if (held.state === 'owned' && shares.get(name) !== member) this.#startGiving(name, held)
    }
    const wanted = partitions
      .map(({ name }) => rows.get(name) ?? { partition: name, owner: null, epoch: 0 })
      .filter(({ partition, owner }) => {
        if (this.#held.has(partition)) return false
        // What was lost here and is still this member's in the table nobody else may claim: it takes it back first, and gives it on then.
        return owner === member || (ownerOf(partition) === null && shares.get(partition) === member)
      })
    if (wanted.length === 0) return
    for (const claimed of await table.claim(wanted)) {
      this.#held.set(claimed.partition, { epoch: claimed.epoch, state: 'owned' })
      hooks.own(claimed)
    }
    // The answer may have come when the lease was over.
    this.expire()
  }

  #startGiving(name: string, held: Held): void {
    held.state = 'giving'
    const giving = this.#give(name, held).finally(() => this.#giving.delete(giving))
    this.#giving.add(giving)
  }

  async #give(name: string, held: Held): Promise<void> {
    const inDoubt = await this.#options.hooks.give(name)
    // Lost meanwhile: whoever lets go of that does the rest.
    if (this.epochOf(name) !== held.epoch) return
    try {
      if (inDoubt !== null && this.valid) await this.#options.table.release(name, held.epoch, inDoubt)
    } catch (error) {
      // It stays this member's in the table; it is taken back at the next beat, and given up again.
      this.#report(error)
    }
    if (this.epochOf(name) !== held.epoch) return
    this.#held.delete(name)
    this.#loop.wake()
  }

  async #lose(name: string): Promise<void> {
    const held = this.#held.get(name)
    if (held === undefined || held.state === 'losing') return
    held.state = 'losing'
    await this.#options.hooks.lose(name)
    if (this.#held.get(name) === held) this.#held.delete(name)
    this.#loop.wake()
  }

  #loseAll(): boolean {
    const held = [...this.#held].filter(([, { state }]) => state !== 'losing')
    for (const [name] of held) void this.#lose(name)
    return held.length > 0
  }

  #renewed(untilMs: number): void {
    this.#validUntilMs = untilMs
    this.#cancelExpiry?.()
    this.#cancelExpiry = this.#options.clock.after(untilMs - this.#now(), () => {
      // Timers drop fractions of a millisecond, and fire early by them.
      if (this.valid) this.#renewed(untilMs)
      else this.expire()
    })
  }

  #now(): number {
    return (this.#options.monotonicMs ?? (() => performance.now()))()
  }

  #report(error: unknown): void {
    const { group, onError } = this.#options
    const text = `group ${group}: its leases could not be renewed: ${messageOf(error)}; it is tried again.`
    onError(error instanceof AcuseError ? error : new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text, { cause: error }))
  }
}
