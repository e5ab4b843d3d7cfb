import { randomUUID } from 'node:crypto'
import { AcuseError, Loop } from '@acuse/core'
import { answerOf, asAcuseError } from './errors.ts'
import { type Membership, type MembershipOptions, Session, sessionOver } from './membership.ts'
import { type Identity, type Partition, partitionName } from './offsets.ts'
import { type GroupAssignment, type GroupHeartbeatResponse, requests } from './protocol.ts'
import { Reporter } from './reporter.ts'

const retryMs = 100
/** Epochs with a meaning of their own: whoever joins, and whoever leaves. */
const joining = 0
const leaving = -1
/** The coordinator has given this member up. */
const fenced: ReadonlySet<string> = new Set(['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID'])

/**
 * A member by the protocol of KIP-848: the coordinator assigns, one partition at a time moves, and it goes to its new owner only when its
 * old one says that it has let go.
 */
export class ConsumerMembership implements Membership {
  readonly #options: MembershipOptions
  readonly #memberId = randomUUID()
  readonly #reporter: Reporter
  readonly #session: Session
  readonly #loop: Loop
  #epoch = joining
  /** What is this process's, until it says otherwise. */
  readonly #owned = new Map<string, Partition>()
  readonly #revoking = new Set<string>()
  #target: ReadonlyMap<string, Partition> = new Map()
  #holding = false
  /** Counts how often it has lost everything. */
  #life = 0

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#reporter = new Reporter(options.onError)
    this.#session = new Session(options)
    this.#loop = new Loop({
      clock: options.clock,
      round: () => this.#round(),
      onError: (error) => this.#reporter.failed(this.#what, error),
    })
  }

  get identity(): Identity {
    return { memberId: this.#memberId, epoch: this.#epoch }
  }

  async join(): Promise<void> {
    try {
      await this.#heartbeat()
    } catch (error) {
      throw asAcuseError(error, this.#what)
    }
    this.#loop.start()
  }

  hold(): void {
    this.#holding = true
  }

  async leave(): Promise<void> {
    const isMember = this.#epoch !== joining
    await this.#loop.stop()
    if (isMember) await this.#ask(leaving, null)
  }

  get #what(): string {
    return `group ${this.#options.coordinator.group}`
  }

  async #round(): Promise<number> {
    try {
      const beat = this.#heartbeat()
      if (this.#epoch === joining) await beat
      else if ((await this.#session.within(beat)) === sessionOver) {
        await this.#lose(undefined)
        return 0
      }
      this.#reporter.recovered(this.#what)
      return this.#options.heartbeatMs
    } catch (error) {
      const answer = answerOf(error)
      const isFenced = answer !== undefined && fenced.has(answer)
      if (this.#epoch !== joining && (isFenced || this.#session.isOver)) await this.#lose(answer)
      if (!isFenced) this.#reporter.failed(this.#what, error)
      return retryMs
    }
  }

  async #heartbeat(): Promise<void> {
    const askedAtMs = this.#session.nowMs
    const life = this.#life
    const response = await this.#ask(this.#epoch, [...this.#owned.values()])
    // An answer to what it was before it lost everything.
    if (this.#life !== life) return
    this.#session.heard(askedAtMs)
    this.#epoch = response.memberEpoch
    if (response.assignment !== null) this.#target = this.#partitionsOf(response.assignment)
    this.#reconcile()
  }

  #ask(epoch: number, owned: readonly Partition[] | null): Promise<GroupHeartbeatResponse> {
    const { coordinator, topics, rebalanceTimeoutMs } = this.#options
    return coordinator.ask(
      requests.consumerGroupHeartbeat,
      ({ errorCode }) => [errorCode],
      coordinator.group,
      this.#memberId,
      epoch,
      null,
      null,
      epoch === joining ? rebalanceTimeoutMs : -1,
      epoch === joining ? topics.map(({ name }) => name) : null,
      null,
      null,
      owned === null ? null : topicPartitionsOf(owned),
    )
  }

  #partitionsOf({ topicPartitions }: GroupAssignment): Map<string, Partition> {
    const { topics } = this.#options
    const found = new Map<string, Partition>()
    for (const { topicId, partitions } of topicPartitions) {
      const topic = topics.find(({ id }) => id === topicId)
      if (topic === undefined) {
        this.#reporter.failed(this.#what, madeAnew(this.#what))
        continue
      }
      for (const index of partitions) {
        const name = partitionName(topic.name, index)
        found.set(name, { name, topic, index })
      }
    }
    return found
  }

  /** Follows the coordinator's wish. What it assigns is free: it waits for its old owner itself. */
  #reconcile(): void {
    const { ownership } = this.#options
    const unwanted = [...this.#owned.values()].filter(
      ({ name }) => !this.#target.has(name) && !this.#revoking.has(name),
    )
    if (!this.#holding) for (const partition of unwanted) void this.#revoke(partition)
    const fresh = [...this.#target.values()].filter(({ name }) => !this.#owned.has(name))
    if (fresh.length === 0 || this.#holding) return
    for (const partition of fresh) this.#owned.set(partition.name, partition)
    ownership.assign(fresh)
    this.#loop.wake()
  }

  async #revoke(partition: Partition): Promise<void> {
    const { ownership } = this.#options
    this.#revoking.add(partition.name)
    await ownership.revoke([partition])
    if (!this.#revoking.delete(partition.name)) return
    this.#owned.delete(partition.name)
    this.#loop.wake()
  }

  /** Whatever it owned may be somebody else's. It joins again once nothing of it runs here. */
  async #lose(answer: string | undefined): Promise<void> {
    const { ownership, coordinator, onError } = this.#options
    onError(this.#session.lost(coordinator.group, answer))
    const lost = [...this.#owned.values()]
    this.#life++
    this.#epoch = joining
    this.#owned.clear()
    this.#revoking.clear()
    this.#target = new Map()
    await ownership.lose(lost)
  }
}

function topicPartitionsOf(partitions: readonly Partition[]): { topicId: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, index } of partitions) topics.set(topic.id, [...(topics.get(topic.id) ?? []), index])
  return [...topics].map(([topicId, indexes]) => ({ topicId, partitions: indexes }))
}

function madeAnew(group: string): AcuseError {
  return new AcuseError(
    'ACUSE_HISTORY_GONE',
    `${group}: the topic of one of its streams was deleted and made anew: what the group had not read of it is gone. The new one is read once the service is started again.`,
  )
}
