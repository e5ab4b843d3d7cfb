import { AcuseError, type Clock } from '@acuse/core'
import type { Cluster } from './connection.ts'
import type { Coordinator } from './coordinator.ts'
import type { Identity, Partition } from './offsets.ts'
import type { Topic } from './topics.ts'

/** What happens to a member of a group. The coordinator decides, and this process follows. */
export interface Ownership {
  /** They are this process's from now on. */
  assign(partitions: readonly Partition[]): void
  /** They have to be given up; resolves when nothing of them runs here, and their places are stored. */
  revoke(partitions: readonly Partition[]): Promise<void>
  /** They are somebody else's by now, or may be. Resolves when nothing of them runs here. */
  lose(partitions: readonly Partition[]): Promise<void>
}

export interface MembershipOptions {
  readonly cluster: Cluster
  readonly coordinator: Coordinator
  readonly topics: readonly Topic[]
  readonly ownership: Ownership
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /** How long the coordinator waits for a sign of life. */
  readonly sessionTimeoutMs: number
  readonly heartbeatMs: number
  /** How long it waits for a member to give partitions up. */
  readonly rebalanceTimeoutMs: number
}

/** A member of a consumer group. */
export interface Membership {
  /** Who it is at the moment. */
  readonly identity: Identity
  /** Joins; from then on it stays a member, whatever breaks. Throws what the first attempt fails with. */
  join(): Promise<void>
  /** Gives nothing up any more, until it leaves. */
  hold(): void
  /** Lets go of all at once. */
  leave(): Promise<void>
}

/** Of the session: who was not heard for so long gives up, before the coordinator gives its partitions to others. */
const patience = 2 / 3

export const sessionOver: unique symbol = Symbol('the session is over')

/** When the coordinator was last heard. */
export class Session {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #heardAtMs: number

  constructor({ clock, sessionTimeoutMs }: MembershipOptions) {
    this.#clock = clock
    this.#timeoutMs = sessionTimeoutMs
    this.#heardAtMs = clock.now()
  }

  get nowMs(): number {
    return this.#clock.now()
  }

  /** Whether the coordinator may give this member up before it is heard again. */
  get isOver(): boolean {
    return this.#clock.now() - this.#heardAtMs >= this.#timeoutMs * patience
  }

  /** What is answered, or that the session is over before there is an answer. */
  async within<R>(asked: Promise<R>): Promise<R | typeof sessionOver> {
    const leftMs = this.#heardAtMs + this.#timeoutMs * patience - this.#clock.now()
    const over = Promise.withResolvers<typeof sessionOver>()
    const cancel = this.#clock.after(leftMs, () => over.resolve(sessionOver))
    try {
      return await Promise.race([asked, over.promise])
    } finally {
      cancel()
    }
  }

  /** It has answered what it was asked at `askedAtMs`. */
  heard(askedAtMs: number): void {
    this.#heardAtMs = askedAtMs
  }

  /** That the partitions are lost, and why: by what the coordinator has said, or as it was not heard. */
  lost(group: string, answer: string | undefined): AcuseError {
    const why =
      answer === undefined
        ? `its coordinator was not heard for most of the session's ${this.#timeoutMs} ms`
        : `its coordinator has given it up (${answer}), as after a session or a rebalance that took too long`
    return new AcuseError(
      'ACUSE_LEASE_LOST',
      `group ${group}: this member has lost its partitions: ${why}. It joins again.`,
    )
  }
}
