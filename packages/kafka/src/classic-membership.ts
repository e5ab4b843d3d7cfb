import { Loop } from '@acuse/core'
import { decodeConsumerProtocolAssignment, encodeConsumerProtocolSubscription } from '@platformatic/kafka'
import { assignRoundRobin } from './assignor.ts'
import type { Connections } from './connection.ts'
import { Coordinator } from './coordinator.ts'
import { errorName } from './errors.ts'
import { type Membership, type MembershipOptions, Session, sessionOver } from './membership.ts'
import { CoordinatorRefused, type Identity, type Partition, partitionName } from './offsets.ts'
import { type JoinGroupResponse, requests } from './protocol.ts'
import { Reporter } from './reporter.ts'

const retryMs = 100
/** Beyond the rebalance, which is how long the coordinator may hold an answer back. */
const graceMs = 10_000
const protocolType = 'consumer'
/** The name of the rule that the leader assigns by. All members have to know it. */
const rule = 'roundrobin'
const subscriptionVersion = 1
const outside = -1

/**
 * A member by the protocol before KIP-848: at each rebalance all members give up everything, one of them assigns, and each takes what it
 * is given.
 */
export class ClassicMembership implements Membership {
  readonly #options: MembershipOptions
  readonly #group: string
  readonly #reporter: Reporter
  readonly #session: Session
  readonly #loop: Loop
  /** A join is answered when the others have joined too: on a connection of its own it holds up nothing. */
  readonly #joining: Connections
  readonly #joiner: Coordinator
  #memberId = ''
  #generation = outside
  #owned: readonly Partition[] = []
  #revoking = false
  #holding = false

  constructor(options: MembershipOptions) {
    const { cluster, coordinator, rebalanceTimeoutMs, clock } = options
    this.#options = options
    this.#group = coordinator.group
    this.#reporter = new Reporter(options.onError)
    this.#session = new Session(options)
    this.#joining = cluster.connect(rebalanceTimeoutMs + graceMs)
    this.#joiner = new Coordinator(cluster, this.#joining, coordinator.group)
    this.#loop = new Loop({
      clock,
      round: () => this.#round(),
      onError: (error) => this.#reporter.failed(this.#what, error),
    })
  }

  get identity(): Identity {
    return { memberId: this.#memberId, epoch: this.#generation }
  }

  /** Begins to join. When it has joined depends on the others' handlers. */
  async join(): Promise<void> {
    this.#loop.start()
  }

  hold(): void {
    this.#holding = true
  }

  async leave(): Promise<void> {
    const { coordinator } = this.#options
    void this.#loop.stop()
    await this.#joining.close()
    if (this.#memberId === '') return
    await coordinator.ask(requests.leaveGroup, ({ errorCode }) => [errorCode], this.#group, [
      { memberId: this.#memberId, groupInstanceId: null, reason: null },
    ])
  }

  get #what(): string {
    return `group ${this.#group}`
  }

  async #round(): Promise<number> {
    const { heartbeatMs } = this.#options
    try {
      const answer = this.#generation === outside ? await this.#enter() : await this.#session.within(this.#heartbeat())
      if (answer === sessionOver) {
        await this.#lose(undefined)
        return 0
      }
      if (answer !== undefined) return await this.#follow(answer)
      this.#reporter.recovered(this.#what)
      return heartbeatMs
    } catch (error) {
      if (this.#generation !== outside && this.#session.isOver) await this.#lose(undefined)
      this.#reporter.failed(this.#what, error)
      return retryMs
    }
  }

  /** Does what the coordinator's answer asks for, and says when to ask it again, ms. */
  async #follow(answer: string): Promise<number> {
    switch (answer) {
      case 'REBALANCE_IN_PROGRESS':
        if (this.#generation !== outside) this.#giveUpAll()
        return this.#generation === outside ? 0 : this.#options.heartbeatMs
      case 'MEMBER_ID_REQUIRED':
        return 0
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
      case 'FENCED_INSTANCE_ID':
        if (answer === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
        if (this.#generation !== outside) await this.#lose(answer)
        return 0
      default:
        throw new CoordinatorRefused(answer, `${this.#what}: ${answer}; it is tried again.`)
    }
  }

  async #heartbeat(): Promise<string | undefined> {
    const askedAtMs = this.#session.nowMs
    const { errorCode } = await this.#options.coordinator.ask(
      requests.heartbeat,
      (answer) => [answer.errorCode],
      this.#group,
      this.#generation,
      this.#memberId,
      null,
    )
    const answer = errorName(errorCode)
    const isAlive = answer === undefined || answer === 'REBALANCE_IN_PROGRESS'
    if (isAlive && this.#generation !== outside) this.#session.heard(askedAtMs)
    return answer
  }

  /** Gives everything up, with signs of life meanwhile; then it joins the next generation. */
  #giveUpAll(): void {
    if (this.#revoking || this.#holding) return
    this.#revoking = true
    const generation = this.#generation
    void this.#options.ownership.revoke(this.#owned).then(() => {
      this.#revoking = false
      if (this.#generation !== generation) return
      this.#owned = []
      this.#generation = outside
      this.#loop.wake()
    })
  }

  /** Joins, and takes what it is given. */
  async #enter(): Promise<string | undefined> {
    const { topics, sessionTimeoutMs, rebalanceTimeoutMs, ownership } = this.#options
    const names = topics.map(({ name }) => name)
    const metadata = encodeConsumerProtocolSubscription({ version: subscriptionVersion, topics: names })
    const joined = await this.#joiner.ask(
      requests.joinGroup,
      ({ errorCode }) => [errorCode],
      this.#group,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      this.#memberId,
      null,
      protocolType,
      [{ name: rule, metadata }],
      null,
    )
    if (joined.memberId !== '') this.#memberId = joined.memberId
    const refused = errorName(joined.errorCode)
    if (refused !== undefined) return refused
    const askedAtMs = this.#session.nowMs
    const synced = await this.#joiner.ask(
      requests.syncGroup,
      ({ errorCode }) => [errorCode],
      this.#group,
      joined.generationId,
      this.#memberId,
      null,
      protocolType,
      rule,
      await this.#assignmentsOf(joined),
    )
    const answer = errorName(synced.errorCode)
    if (answer !== undefined) return answer
    this.#session.heard(askedAtMs)
    this.#generation = joined.generationId
    this.#owned = this.#partitionsOf(synced.assignment)
    ownership.assign(this.#owned)
    return undefined
  }

  async #assignmentsOf({ leader, memberId, members }: JoinGroupResponse): Promise<ReturnType<typeof assignRoundRobin>> {
    return leader === memberId ? assignRoundRobin(this.#options.cluster, members) : []
  }

  #partitionsOf(assignment: Buffer): readonly Partition[] {
    return decodeConsumerProtocolAssignment(assignment).assignedPartitions.flatMap(({ topic: name, partitions }) => {
      const topic = this.#options.topics.find((known) => known.name === name)
      return topic === undefined ? [] : partitions.map((index) => ({ name: partitionName(name, index), topic, index }))
    })
  }

  async #lose(answer: string | undefined): Promise<void> {
    this.#options.onError(this.#session.lost(this.#group, answer))
    const lost = this.#owned
    this.#generation = outside
    this.#owned = []
    await this.#options.ownership.lose(lost)
  }
}
