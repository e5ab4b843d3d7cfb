import { asUnavailable, type ClaimKeeper, runClaim } from './claims.ts'
import { point, tell } from './diagnostics.ts'
import { applyDeliveries } from './effect.ts'
import { judge, recordDelivery } from './failure.ts'
import type { Pipe, Registration } from './group.ts'
import { HandlerFailure } from './handler-call.ts'
import { pause } from './clock.ts'
import { Lanes, type Undone } from './lanes.ts'
import type { WireMessage } from './message.ts'
import type { Claimed, Verdict } from './store.ts'
import type { Delivery, Sink, Subscription } from './transport.ts'
import { about, brief, type GroupRuntime, isOrdered, type Work } from './work.ts'

const mostConflicts = 10
const longestConflictPauseMs = 50
const firstOutagePauseMs = 100
const longestOutagePauseMs = 5_000
/** An outage ends sooner or later; a handler that ends its own connection never does. Ten rounds wait for about half a minute. */
const mostLostConnections = 10
/** How often a key whose parked line is full, or a group whose breaker is open, is looked at again. */
const heldPauseMs = 500

/** Takes a group's deliveries from the transport through the lanes into effect transactions, and acks what is durable. */
export class Consumer<Tx> implements Sink {
  readonly #runtime: GroupRuntime<Tx>
  readonly #keeper: ClaimKeeper<Tx>
  readonly #lanes: Lanes<Work<Tx>>
  readonly #lostConnections = new WeakMap<Delivery, number>()
  #subscription: Subscription | undefined
  #outages = 0
  #stopping = false

  constructor(runtime: GroupRuntime<Tx>, keeper: ClaimKeeper<Tx>) {
    this.#runtime = runtime
    this.#keeper = keeper
    this.#lanes = new Lanes({
      clock: runtime.clock,
      concurrency: runtime.declaration.settings.concurrency,
      run: (unit) => runtime.places.run(() => this.#run(unit)),
    })
  }

  async start(pipe: Pipe): Promise<void> {
    const { name, registrations, settings } = this.#runtime.declaration
    const travelling = [...registrations.values()].filter(({ local }) => local !== true).map(({ type }) => type)
    const streams = new Map(travelling.map(({ stream }) => [stream.name, stream]))
    point('transport.beforeConsume')
    this.#subscription = await pipe.consume(
      {
        group: name,
        streams: [...streams.values()].map((one) => ({ name: one.name, partitions: one.partitions })),
        types: travelling.map((type) => type.name),
        from: settings.from,
        prefetch: settings.prefetch,
      },
      this,
    )
    point('transport.afterConsume')
  }

  pause(): void {
    this.#subscription?.pause()
  }

  resume(): void {
    if (this.#stopping) return
    this.#subscription?.resume()
    this.#lanes.resume()
  }

  /** Gives back what has not begun, waits for what has, and lets go of the transport. */
  async stop(deadlineMs: number): Promise<void> {
    const startedMs = this.#runtime.clock.now()
    this.#stopping = true
    this.#subscription?.pause()
    this.#lanes.pause()
    for (const { delivery } of this.#lanes.evict(() => true)) delivery.release()
    await this.#lanes.idle()
    // What came back undone while we waited has not begun either.
    for (const { delivery } of this.#lanes.evict(() => true)) delivery.release()
    const spentMs = Math.max(0, this.#runtime.clock.now() - startedMs)
    point('transport.beforeStop')
    await this.#subscription?.stop(Math.max(0, deadlineMs - spentMs))
    point('transport.afterStop')
  }

  deliver(deliveries: readonly Delivery[]): void {
    const work: Work<Tx>[] = []
    for (const delivery of deliveries) {
      const { message } = delivery
      const registration = this.#runtime.declaration.registrationOf(message)
      // A transport that cannot filter by type brings what this group never asked for.
      if (registration === undefined) delivery.ack()
      else work.push(workOf(delivery, registration))
    }
    this.#lanes.add(work)
  }

  async revoke(partition: string): Promise<void> {
    const ofPartition = (work: Work<Tx>): boolean => work.delivery.partition === partition
    for (const { delivery } of this.#lanes.evict(ofPartition)) delivery.release()
    await this.#lanes.idle(ofPartition)
    for (const { delivery } of this.#lanes.evict(ofPartition)) delivery.release()
  }

  async #run(unit: readonly Work<Tx>[]): Promise<Undone<Work<Tx>> | undefined> {
    const { breaker } = this.#runtime
    if (breaker !== undefined && !breaker.tryEnter()) {
      return { items: unit, delayMs: Math.max(breaker.reopensInMs(), heldPauseMs) }
    }
    try {
      const undone = await this.#runPart(unit)
      if (undone === undefined) this.#outages = 0
      // A failure was told where it happened; a duplicate or a held message says nothing about what the handler depends on.
      breaker?.abandoned()
      return undone
    } catch (error) {
      // The outcome could not be written down: the store is away, and the messages are held until it is back.
      breaker?.abandoned()
      return this.#holdThroughOutage(unit, error)
    }
  }

  /** Runs deliveries together; what fails together is divided until the failing one stands alone. */
  async #runPart(part: readonly Work<Tx>[]): Promise<Undone<Work<Tx>> | undefined> {
    const [first] = part
    if (first === undefined) return undefined
    const suspects = part.filter(({ delivery }) => delivery.redelivered)
    if (suspects.length > 0) {
      // Of each key they are the first: what comes again was out before anything that has come since.
      await this.#parkSuspects(suspects)
      return this.#runPart(part.filter(({ delivery }) => !delivery.redelivered))
    }
    if (first.registration.mode === 'external') return this.#runExternal(first)
    for (let conflicts = 0; ; conflicts++) {
      try {
        const verdicts = await applyDeliveries(this.#runtime, first.registration, part.map(wireOf))
        if (verdicts.includes('new')) this.#runtime.breaker?.succeeded()
        return await this.#settle(part, verdicts)
      } catch (thrown) {
        const verdict = judge(thrown, this.#runtime)
        if (verdict.kind === 'conflict' && conflicts < mostConflicts) {
          await pause(this.#runtime.clock, longestConflictPauseMs * this.#runtime.random())
          continue
        }
        if (verdict.kind === 'unavailable') {
          if (part.length > 1 || !this.#endsConnections(first, thrown)) throw verdict.error
          return this.#fail(first, verdict.error, false)
        }
        const size = first.registration.mode === 'batch' ? Math.ceil(part.length / 2) : 1
        if (part.length > 1) return this.#runEach(part, size)
        const error = verdict.kind === 'conflict' ? thrown : verdict.error
        return this.#fail(first, error, verdict.kind === 'failed' && verdict.undecodable)
      }
    }
  }

  /** Whether this message's own handler has lost its connection so often that it may be what ends them. */
  #endsConnections({ delivery }: Work<Tx>, thrown: unknown): boolean {
    if (!(thrown instanceof HandlerFailure) || this.#runtime.deadline.aborted) return false
    const times = (this.#lostConnections.get(delivery) ?? 0) + 1
    this.#lostConnections.set(delivery, times)
    return times >= mostLostConnections
  }

  /** Runs slices of a part one after the other; a slice that is left undone keeps the rest from overtaking it. */
  async #runEach(part: readonly Work<Tx>[], size: number): Promise<Undone<Work<Tx>> | undefined> {
    for (let start = 0; start < part.length; start += size) {
      const undone = await this.#runPart(part.slice(start, start + size))
      if (undone !== undefined) {
        return { items: [...undone.items, ...part.slice(start + size)], delayMs: undone.delayMs }
      }
    }
    return undefined
  }

  async #fail(work: Work<Tx>, error: unknown, undecodable: boolean): Promise<undefined> {
    this.#runtime.breaker?.failed(error)
    await recordDelivery(work.delivery.message, error, undecodable, this.#runtime)
    this.#ack(work)
  }

  async #settle(part: readonly Work<Tx>[], verdicts: readonly Verdict[]): Promise<Undone<Work<Tx>> | undefined> {
    const blocked: Work<Tx>[] = []
    for (const [index, work] of part.entries()) {
      if (verdicts[index] === 'blocked') blocked.push(work)
      else this.#ack(work)
    }
    return blocked.length === 0 ? undefined : this.#parkBehind(blocked)
  }

  /**
   * Parks messages behind what waits of their keys, all in one transaction: a transaction each held a place for as long as it took
   * to drain a line, and lines grew faster than they drained. Keys are locked in one order, so that two of these never wait in a circle.
   */
  async #parkBehind(blocked: readonly Work<Tx>[]): Promise<Undone<Work<Tx>> | undefined> {
    const { store, declaration } = this.#runtime
    const byKey = Map.groupBy(blocked, ({ key }) => key ?? '')
    point('consumer.beforeParkBehind')
    const { parked, undone, full } = await store.transaction(async (tx) => {
      const outcome = { parked: [] as { work: Work<Tx>; isNew: boolean }[], undone: [] as Work<Tx>[], full: false }
      for (const key of [...byKey.keys()].toSorted()) {
        const line = byKey.get(key) ?? []
        for (const [index, work] of line.entries()) {
          const { message } = work.delivery
          const answer = await store.parked.parkBehind(tx, declaration.name, message, declaration.settings.parkedPerKey)
          if (answer === 'free' || answer === 'full') {
            outcome.undone.push(...line.slice(index))
            outcome.full ||= answer === 'full'
            break
          }
          outcome.parked.push({ work, isNew: answer === 'parked' })
        }
      }
      return outcome
    }, brief)
    point('consumer.afterParkBehind')
    for (const { work, isNew } of parked) {
      if (isNew) tell('blocked', about(work.delivery.message, this.#runtime))
      this.#ack(work)
    }
    if (parked.some(({ isNew }) => isNew)) this.#runtime.onParked()
    return undone.length === 0 ? undefined : { items: undone, delayMs: full ? heldPauseMs : 0 }
  }

  /** They may be what ended the process before: they are parked, and begun under a lease, so that a crash counts as an attempt. */
  async #parkSuspects(suspects: readonly Work<Tx>[]): Promise<void> {
    const { store, declaration } = this.#runtime
    // In one order of keys everywhere, as their locks are held to the end.
    const inOrder = suspects.toSorted((one, other) => compare(one.key ?? '', other.key ?? ''))
    point('consumer.beforeParkSuspect')
    const parked = await store.transaction(async (tx) => {
      const answers: boolean[] = []
      for (const { delivery } of inOrder) {
        const { message } = delivery
        const ordered = isOrdered(message, this.#runtime)
        const request = { message, reason: 'suspect', ordered, attempts: 0, dueInMs: 0 } as const
        answers.push((await store.parked.park(tx, declaration.name, request)) !== null)
      }
      return answers
    }, brief)
    point('consumer.afterParkSuspect')
    for (const [index, work] of inOrder.entries()) {
      if (parked[index] === false)
        tell('duplicate', { ...about(work.delivery.message, this.#runtime), conflict: false })
      this.#ack(work)
    }
    if (parked.includes(true)) this.#runtime.onParked()
  }

  /** Takes the message over under a lease first, so that no transaction is open while its handler calls the world. */
  async #runExternal(work: Work<Tx>): Promise<Undone<Work<Tx>> | undefined> {
    const { message } = work.delivery
    point('external.beforeBegin')
    const begun = await this.#beginExternal(message)
    point('external.afterBegin')
    if (begun === 'full') return { items: [work], delayMs: heldPauseMs }
    if (begun === 'parked') tell('blocked', about(message, this.#runtime))
    if (begun === 'duplicate') tell('duplicate', { ...about(message, this.#runtime), conflict: false })
    this.#ack(work)
    if (typeof begun === 'string') return undefined
    await runClaim(this.#runtime, this.#keeper, begun)
    this.#runtime.onParked()
    return undefined
  }

  #beginExternal(message: WireMessage): Promise<Claimed | 'parked' | 'duplicate' | 'full'> {
    const { store, declaration } = this.#runtime
    const { leaseMs, parkedPerKey } = declaration.settings
    const ordered = isOrdered(message, this.#runtime)
    return store.transaction(async (tx) => {
      if (ordered) {
        const behind = await store.parked.parkBehind(tx, declaration.name, message, parkedPerKey)
        if (behind !== 'free') return behind
      }
      const request = { message, reason: 'external', ordered, attempts: 0, dueInMs: 0, leaseMs } as const
      return (await store.parked.park(tx, declaration.name, request)) ?? 'duplicate'
    }, brief)
  }

  #holdThroughOutage(unit: readonly Work<Tx>[], error: unknown): Undone<Work<Tx>> {
    this.#runtime.onError(asUnavailable(this.#runtime, error))
    const delayMs = Math.min(firstOutagePauseMs * 2 ** Math.min(this.#outages++, 10), longestOutagePauseMs)
    const items = unit.filter(({ acked }) => !acked)
    return { items, delayMs: delayMs * (0.5 + 0.5 * this.#runtime.random()) }
  }

  #ack(work: Work<Tx>): void {
    point('consumer.beforeAck')
    work.acked = true
    work.delivery.ack()
    point('consumer.afterAck')
  }
}

function workOf<Tx>(delivery: Delivery, registration: Registration<Tx>): Work<Tx> {
  const { message } = delivery
  const { priority } = message
  return { delivery, registration, key: laneKey(message), priority, kind: registration, acked: false }
}

/** As `toSorted` has it for texts. */
function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}

function wireOf<Tx>({ delivery }: Work<Tx>): WireMessage {
  return delivery.message
}

function laneKey({ stream, key }: WireMessage): string | null {
  return key === null ? null : `${stream}\u0000${key}`
}
