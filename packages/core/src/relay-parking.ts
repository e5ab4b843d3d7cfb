import type { Clock } from './clock.ts'
import { point, tell } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { deathOf, recordOf } from './failure.ts'
import { Loop } from './loop.ts'
import type { WireMessage } from './message.ts'
import { lineOf, pauseAfter, type RelayStalls } from './relay-stalls.ts'
import type { Claimed, ParkReason, Store, Verdict } from './store.ts'
import type { Delivery, PublishResult } from './transport.ts'
import { brief } from './work.ts'

/** The group name under which a relay reads its service's log, and parks. */
export const relayGroup = '$relay'

/** Of each key only the first is claimed, and their bodies are in memory together: at 1 MB each these are 50 MB. */
const claimedAtOnce = 50
/** What a relay held that was killed stands still for so long. It is prolonged while something is being published, which takes 30 s at most. */
const claimLeaseMs = 5_000
/** Without claims there is nothing to prolong; the first ones set the alarm. */
const idleMs = 86_400_000
/** Counting goes through all that is parked. */
const lookEveryMs = 1_000
const mostConflicts = 10

export interface RelayParkingOptions<Tx> {
  readonly service: string
  readonly store: Store<Tx>
  readonly clock: Clock
  /** How long at most until what others replayed is found, ms. */
  readonly pollMs: number
  readonly stalls: RelayStalls
  readonly publish: (messages: readonly WireMessage[]) => Promise<readonly PublishResult[]>
  readonly onError: (error: AcuseError) => void
}

/**
 * What the relay has taken off the log without sending it: keys that stall for so long that others would wait with them, and replayed
 * dead letters. It lies among the parked messages of the group `$relay`, and is sent from there, in order per key.
 */
export class RelayParking<Tx> {
  readonly #options: RelayParkingOptions<Tx>
  readonly #loop: Loop
  readonly #keeper: Loop
  /** What is being published. */
  #held: readonly Claimed[] = []
  /** What was there at the last look; false is certain, as only the owner of a partition parks its keys. */
  #isInUse = true
  #isLookDue = true
  #lookedAtMs = 0
  #looking: Promise<void> = Promise.resolve()
  /** How often something was parked: a look that it overtook says nothing of it. */
  #parks = 0

  constructor(options: RelayParkingOptions<Tx>) {
    this.#options = options
    const { clock } = options
    const onError = (cause: unknown): void => options.onError(this.#unavailable(cause))
    this.#loop = new Loop({ clock, round: () => this.#round(), onError })
    this.#keeper = new Loop({ clock, round: () => this.#prolong(), onError })
  }

  start(): void {
    this.#loop.start()
    this.#keeper.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#keeper.stop()
  }

  wake(): void {
    this.#loop.wake()
  }

  /** A partition came from another process, which may have parked keys of it. */
  lookAgain(): void {
    this.#isLookDue = true
  }

  counts(): Promise<Readonly<Partial<Record<ParkReason, number>>>> {
    return this.#options.store.parked.counts(relayGroup)
  }

  /**
   * Which of these are taken care of, and can be acked; the others are to be sent. What comes again is looked up even while nothing is
   * parked: it may have been, and have become a dead letter since.
   */
  async sift(deliveries: readonly Delivery[]): Promise<ReadonlySet<WireMessage>> {
    const inUse = await this.#inUse()
    const doubtful = deliveries.filter(({ redelivered }) => inUse || redelivered).map(({ message }) => message)
    const handled = new Set<WireMessage>()
    if (doubtful.length === 0) return handled
    const verdicts = await this.#verdictsOf(doubtful)
    await this.park(doubtful.filter((_, index) => verdicts[index] === 'blocked'))
    for (const [index, message] of doubtful.entries()) {
      // The same id with another body is sent: whoever consumes it says what it is.
      if (verdicts[index] === 'blocked' || verdicts[index] === 'duplicate') handled.add(message)
    }
    return handled
  }

  /** Parks messages at the end of their keys' lines, in one transaction. Keys are locked in one order everywhere, as their locks are held to the end. */
  async park(
    messages: readonly WireMessage[],
    whyOf?: (message: WireMessage) => AcuseError | undefined,
  ): Promise<void> {
    if (messages.length === 0) return
    const { store } = this.#options
    this.#isInUse = true
    this.#parks++
    point('relay.beforePark')
    await this.#write(async (tx) => {
      for (const message of messages.toSorted(byLine)) {
        const request = { message, reason: 'retry', ordered: message.key !== null, attempts: 0, dueInMs: 0 } as const
        const error = whyOf?.(message)
        const failed = error === undefined ? {} : { error: recordOf(error) }
        await store.parked.park(tx, relayGroup, { ...request, ...failed })
      }
    })
    point('relay.afterPark')
    this.#loop.wake()
  }

  async #inUse(): Promise<boolean> {
    const isOld = this.#isInUse && Math.abs(this.#options.clock.now() - this.#lookedAtMs) >= lookEveryMs
    if (this.#isLookDue || isOld) {
      // Before the answer is there a partition may come that it does not count for.
      this.#isLookDue = false
      this.#lookedAtMs = this.#options.clock.now()
      this.#looking = this.#looking.catch(() => undefined).then(() => this.#look())
    }
    await this.#looking
    return this.#isInUse
  }

  async #look(): Promise<void> {
    const parks = this.#parks
    try {
      const isInUse = Object.keys(await this.counts()).length > 0
      if (this.#parks === parks) this.#isInUse = isInUse
    } catch (error) {
      this.#isLookDue = true
      throw error
    }
  }

  /** As the inbox would answer: nothing of it stays. */
  async #verdictsOf(messages: readonly WireMessage[]): Promise<readonly Verdict[]> {
    const { store } = this.#options
    const items = messages.map((message) => ({ message, ordered: message.key !== null }))
    let verdicts: readonly Verdict[] = []
    const asked = new Asked()
    await this.#write(async (tx) => {
      verdicts = await store.inbox.accept(tx, relayGroup, items)
      throw asked
    }).catch((error: unknown) => {
      if (error !== asked) throw error
    })
    return verdicts
  }

  async #round(): Promise<number> {
    const { store, pollMs } = this.#options
    let waitMs = pollMs
    for (const crashed of [false, true]) {
      point('parked.beforeClaim')
      const request = { limit: claimedAtOnce, leaseMs: claimLeaseMs, crashed }
      const { claimed, nextDueInMs } = await store.parked.claim(relayGroup, request)
      if (claimed.length > 0) {
        point('parked.afterClaim')
        await this.#send(claimed)
        return 0
      }
      waitMs = Math.min(waitMs, nextDueInMs ?? pollMs)
    }
    return Math.max(1, waitMs)
  }

  async #send(claimed: readonly Claimed[]): Promise<void> {
    const claims = claimed.toSorted((one, other) => byLine(one.message, other.message))
    const results = await this.#publish(claims)
    point('relay.beforeSettle')
    await this.#write(async (tx) => {
      for (const [index, claim] of claims.entries()) await this.#settle(tx, claim, results[index])
    })
    point('relay.afterSettle')
    for (const [index, claim] of claims.entries()) this.#tell(claim, results[index])
  }

  async #publish(claims: readonly Claimed[]): Promise<readonly PublishResult[]> {
    this.#held = claims
    this.#keeper.wakeIn(claimLeaseMs / 3)
    try {
      return await this.#options.publish(claims.map(({ message }) => message))
    } finally {
      this.#held = []
    }
  }

  async #prolong(): Promise<number> {
    if (this.#held.length === 0) return idleMs
    point('parked.beforeExtend')
    await this.#options.store.parked.extend(relayGroup, this.#held, claimLeaseMs)
    point('parked.afterExtend')
    return claimLeaseMs / 3
  }

  /** A claim that is another's by now changes nothing: it was sent, and is sent once more. */
  async #settle(tx: Tx, claim: Claimed, result: PublishResult | undefined): Promise<void> {
    const { parked } = this.#options.store
    const attempts = claim.attempts + 1
    if (result?.state === 'delivered') {
      await parked.complete(tx, relayGroup, claim)
    } else if (result !== undefined && !result.error.retryable) {
      const death = deathOf(claim.message, 'relay', result.error, attempts)
      await parked.bury(tx, relayGroup, claim, death, false)
    } else {
      const reason = claim.reason === 'replay' ? 'replay' : 'retry'
      const failed = result === undefined ? {} : { error: recordOf(result.error) }
      await parked.reschedule(tx, relayGroup, claim, { reason, dueInMs: pauseAfter(attempts), attempts, ...failed })
    }
  }

  #tell({ message, attempts }: Claimed, result: PublishResult | undefined): void {
    const { service, stalls, onError } = this.#options
    const { id, type, stream, key } = message
    const error = result?.state === 'failed' ? result.error : null
    tell('relayed', { service, id, type, stream, key, delivered: result?.state === 'delivered', error })
    if (error?.retryable === true) {
      if (stalls.note(message, error)) onError(error)
      return
    }
    stalls.clear(message)
    if (error === null) return
    tell('dead', { service, group: relayGroup, id, type, stream, key, reason: 'relay', attempts: attempts + 1, error })
  }

  /** Repeats what only conflicts with others: a replay locks keys too. */
  async #write(work: (tx: Tx) => Promise<void>): Promise<void> {
    const { store } = this.#options
    for (let conflicts = 0; ;) {
      try {
        return await store.transaction((tx) => work(tx), brief)
      } catch (error) {
        if (error instanceof Asked || store.classify(error) !== 'conflict' || ++conflicts >= mostConflicts) throw error
      }
    }
  }

  #unavailable(cause: unknown): AcuseError {
    if (cause instanceof AcuseError) return cause
    const text = `relay: store ${this.#options.store.name} does not answer; it is tried again.`
    return new AcuseError('ACUSE_STORE_UNAVAILABLE', text, { cause })
  }
}

/** Rolls back what only asked. */
class Asked extends Error {
  override readonly name = 'Asked'
}

function byLine(one: WireMessage, other: WireMessage): number {
  const [first, second] = [lineOf(one), lineOf(other)]
  return first < second ? -1 : first > second ? 1 : 0
}
