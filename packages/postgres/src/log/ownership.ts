import { AcuseError, type Clock, point } from '@acuse/core'
import type { Db } from '../db.ts'
import { Alarm } from './alarm.ts'
import { assign } from './assignment.ts'
import { type ClaimedPart, claimParts } from './cursors.ts'
import { type GroupState, heartbeat, isDeletedGroup, leaveGroup, membersChannel, tellMembers } from './members.ts'
import type { Heartbeat } from './members.ts'
import type { Reporter } from './report.ts'

/** What owning parts means to whoever reads them. */
export interface OwnershipHooks {
  /** The parts owned now and by which epoch; those being given up included. */
  owned(): ReadonlyMap<number, number>
  /** Parts not to be claimed yet, as something of them still runs here. */
  unsettled(): ReadonlySet<number>
  own(parts: readonly ClaimedPart[]): void
  /** Another member should have these. */
  give(parts: readonly number[]): void
  /** Another member has these, or may have: nothing of them counts any more. */
  lose(parts: readonly number[]): void
  /** Lets go of what the sink has let go of. Gives whether anything was. */
  releaseRevoked(): Promise<boolean>
  /** Makes a group anew that was deleted while it was read. */
  registerAgain(): Promise<void>
}

export interface OwnershipOptions {
  readonly db: Db
  readonly clock: Clock
  readonly reporter: Reporter
  readonly group: string
  readonly member: string
  readonly leaseMs: number
  readonly reach: number
  /** The ids of the streams read; null for all. */
  readonly streams: readonly number[] | null
}

const retryMs = 250
const beating = 'renewing the leases of the log'

/** Keeps this member alive in its group, and its share of the parts owned. The database's clock decides who is alive. */
export class Ownership {
  readonly #options: OwnershipOptions
  readonly #hooks: OwnershipHooks
  readonly #alarm: Alarm
  #validUntilMs = 0
  #cancelExpiry: (() => void) | undefined
  #stopListening: (() => Promise<void>) | undefined
  #leaving = false

  constructor(options: OwnershipOptions, hooks: OwnershipHooks) {
    this.#options = options
    this.#hooks = hooks
    this.#alarm = new Alarm(
      options.clock,
      () => this.#beat(),
      (error) => {
        options.reporter.failed(beating, error)
        this.#alarm.ring(Math.min(retryMs, options.leaseMs / 10))
      },
    )
  }

  /** Whether what this member owns is certainly still its own, by its own clock, which SIGSTOP does not stop. */
  get valid(): boolean {
    return performance.now() < this.#validUntilMs
  }

  /** Joins the group. Rejects when the database is away. */
  async start(): Promise<void> {
    const { db } = this.#options
    this.#stopListening = await db.listen(membersChannel(db.schemaName), () => this.#alarm.ring(5))
    // Not beside a beat that another member's arrival asks for: the later of two claims would take what the earlier got for what a dead owner left.
    await this.#alarm.first()
  }

  /** Looks again at once. */
  refresh(): void {
    this.#alarm.ring(0)
  }

  /** From now on nothing is claimed. Leases are still renewed, until `leave`. */
  claimNothing(): void {
    this.#leaving = true
  }

  /** Leaves the group: what is still owned is free to others at once. */
  async leave(): Promise<void> {
    this.#leaving = true
    await this.#alarm.stop()
    this.#cancelExpiry?.()
    await this.#stopListening?.()
    point('log.beforeLeave')
    await leaveGroup(this.#options.db, this.#options.group, this.#options.member)
    point('log.afterLeave')
  }

  async #beat(): Promise<void> {
    const { db, group, member, streams, leaseMs, reporter } = this.#options
    if (await this.#hooks.releaseRevoked()) await tellMembers(db)
    const beganMs = performance.now()
    point('log.beforeHeartbeat')
    const state = await this.#beatOrRegister({ group, member, streams, leaseMs })
    point('log.afterHeartbeat')
    this.#renewed(beganMs)
    reporter.recovered(beating)
    const owned = this.#hooks.owned()
    const lost = [...owned].filter(
      ([part, epoch]) => !state.parts.some((row) => row.part === part && row.epoch === epoch && row.owner === member),
    )
    if (lost.length > 0) this.#hooks.lose(lost.map(([part]) => part))
    if (!this.#leaving) await this.#rebalance(state)
    this.#alarm.ring(this.#nextBeatMs(state))
  }

  /** A group that was deleted under its members begins anew at the earliest: never silently at the latest. The inbox knows what was applied. */
  async #beatOrRegister(beat: Heartbeat): Promise<GroupState> {
    const { db, group, reporter } = this.#options
    try {
      return await heartbeat(db, beat)
    } catch (error) {
      if (!isDeletedGroup(error)) throw error
      const text = `group ${group} was deleted while it is being read; it begins anew at the earliest message that is kept.`
      reporter.report('deleted group', new AcuseError('ACUSE_LEASE_LOST', text))
      await this.#hooks.registerAgain()
      return heartbeat(db, beat)
    }
  }

  async #rebalance({ members, parts }: GroupState): Promise<void> {
    const { db, group, member, reach } = this.#options
    const alive = new Set(members.map(({ id }) => id))
    const assigned = assign(
      parts.map(({ part, owner }) => ({ part, owner: owner !== null && alive.has(owner) ? owner : null })),
      members,
    )
    const owned = this.#hooks.owned()
    const surplus = [...owned.keys()].filter((part) => assigned.get(part) !== member)
    if (surplus.length > 0) this.#hooks.give(surplus)
    const unsettled = this.#hooks.unsettled()
    const free = parts.filter(
      ({ part, owner }) =>
        !owned.has(part) &&
        !unsettled.has(part) &&
        // What this member lost in memory and still has in the table nobody else may claim: it takes it back first, and gives it on then.
        (owner === member || (assigned.get(part) === member && (owner === null || !alive.has(owner)))),
    )
    if (free.length === 0) return
    point('log.beforeClaim')
    const claimed = await claimParts(db, { group, member, parts: free, reach })
    point('log.afterClaim')
    this.#hooks.own(claimed)
  }

  /** In a third of a lease, or as soon as another member's runs out. */
  #nextBeatMs({ members }: GroupState): number {
    const { member, leaseMs } = this.#options
    const others = members.filter(({ id }) => id !== member).map(({ expiresInMs }) => expiresInMs + 20)
    return Math.min(leaseMs / 3, ...others)
  }

  /** Counted from before the statement, so that this member's idea of its lease ends before the database's. */
  #renewed(beganMs: number): void {
    this.#validUntilMs = beganMs + this.#options.leaseMs
    this.#watchExpiry()
  }

  #watchExpiry(): void {
    const { clock, leaseMs, group, reporter } = this.#options
    this.#cancelExpiry?.()
    this.#cancelExpiry = clock.after(this.#validUntilMs - performance.now(), () => {
      // Timers drop fractions of a millisecond, and fire early by them.
      if (this.valid) return this.#watchExpiry()
      const owned = [...this.#hooks.owned().keys()]
      if (owned.length === 0) return
      const text = `group ${group}: its leases could not be renewed for ${leaseMs} ms; others may own its parts now.`
      reporter.report('lease', new AcuseError('ACUSE_LEASE_LOST', text))
      this.#hooks.lose(owned)
      this.#alarm.ring(0)
    })
  }
}
