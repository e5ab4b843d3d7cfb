import { AcuseError, type Clock, messageOf, type Sink, type Source, type Subscription } from '@acuse/core'
import type { Db } from '../db.ts'
import { type ClaimedPart, registerGroup } from './cursors.ts'
import { Dispatcher } from './dispatcher.ts'
import { type Lease, leaseOf } from './lease.ts'
import { Ownership } from './ownership.ts'
import { partOf } from './parts.ts'
import type { PageTaker, Reader, WantedPage } from './reader.ts'
import type { Reporter } from './report.ts'
import { allowanceOf, CursorSaver } from './saver.ts'
import type { RegisteredStream, StreamRegistry } from './streams.ts'

/** With 500 a fast consumer waited for its next page: 52,000 a second against 57,000, for 3 MB more. */
const pageRows = 1_000
/** Read and not settled, over all parts; the higher lanes may use a quarter more, so that the normal one cannot lock them out. */
const mostBytes = 16 * 1024 * 1024
/** One reading brings at most about this much, as its rows are in memory as text too, which is twice as long. */
const mostReadingBytes = 4 * 1024 * 1024
/** Stopping stores what was acked even when its deadline has just passed. */
const lastWordsMs = 1_000

export interface SubscriptionOptions {
  readonly db: Db
  readonly clock: Clock
  readonly reporter: Reporter
  readonly reader: Reader
  readonly registry: StreamRegistry
  /** Names this reading of the log among all members of the group. */
  readonly member: string
  readonly leaseMs: number
  readonly idleSaveMs: number
  readonly source: Source
  readonly sink: Sink
  readonly streams: readonly RegisteredStream[]
}

/** A group's reading of the log in this process: the parts it owns, from being claimed to being let go of. */
export class LogSubscription implements Subscription, PageTaker {
  readonly #options: SubscriptionOptions
  readonly #allowance: number
  readonly #leases = new Map<number, Lease>()
  /** Parts that are gone while the sink has not let go of them. */
  readonly #ending = new Set<number>()
  /** Parts that are gone and let go of: how many messages an earlier owner leaves in doubt. */
  readonly #ended = new Map<number, { readonly epoch: number; readonly suspects: number }>()
  readonly #dispatcher: Dispatcher
  readonly #saver: CursorSaver
  readonly #ownership: Ownership
  #latestStream: number
  #isRegistering = false
  #leaveReader: (() => void) | undefined
  #stopping: Promise<void> | undefined

  constructor(options: SubscriptionOptions) {
    const { db, clock, reporter, reader, registry, member, leaseMs, idleSaveMs, source, sink, streams } = options
    const { group, prefetch } = source
    const leases = (): Iterable<Lease> => this.#leases.values()
    this.#options = options
    this.#allowance = allowanceOf(prefetch)
    this.#latestStream = Math.max(0, ...streams.map(({ id }) => id))
    this.#dispatcher = new Dispatcher({
      ...{ clock, registry, source, sink, leases },
      valid: () => this.#ownership.valid,
      onAcked: () => this.#saver.acked(),
      onMoved: () => this.#moved(),
    })
    this.#saver = new CursorSaver({
      ...{ db, clock, reporter, group, prefetch, idleSaveMs, leases },
      incarnation: () => reader.incarnation,
      onSaved: () => this.#dispatcher.ask(),
      onLost: ({ part }) => this.#lose([part]),
    })
    const streamIds = source.streams === 'all' ? null : streams.map(({ id }) => id)
    this.#ownership = new Ownership(
      { db, clock, reporter, group, member, leaseMs, reach: this.#allowance, streams: streamIds },
      {
        owned: () => new Map([...this.#leases].map(([part, { epoch }]) => [part, epoch])),
        unsettled: () => this.#ending,
        own: (parts) => this.#own(parts),
        give: (parts) => this.#give(parts),
        lose: (parts) => this.#lose(parts),
        releaseRevoked: () => this.#releaseRevoked(),
        registerAgain: () => this.#registerAgain(),
      },
    )
  }

  /** Joins the group and begins to read. Rejects when the database is away, and then nothing of it is left that could claim a part. */
  async start(): Promise<void> {
    try {
      await this.#ownership.start()
    } catch (error) {
      await this.#saver.stop()
      // Its heartbeat may have arrived although the answer did not. Where this cannot arrive either, its lease runs out.
      void this.#ownership.leave().catch(() => undefined)
      throw error
    }
    this.#leaveReader = this.#options.reader.add(this)
  }

  pause(): void {
    this.#dispatcher.pause()
  }

  resume(): void {
    if (this.#stopping === undefined) this.#dispatcher.resume()
  }

  /** Settles within `deadlineMs`, or within a second where that is less. */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { clock, reporter } = this.#options
    const deadlineAt = performance.now() + deadlineMs
    this.#dispatcher.pause()
    this.#ownership.claimNothing()
    this.#leaveReader?.()
    await within(clock, deadlineMs, this.#dispatcher.settled())
    const letGo = this.#letGo().catch((error: unknown) => reporter.failed('letting go of the log', error))
    await within(clock, Math.max(lastWordsMs, deadlineAt - performance.now()), letGo)
  }

  async #letGo(): Promise<void> {
    await this.#saver.stop()
    await this.#saver.release([...this.#leases.values()])
    await this.#ownership.leave()
    for (const lease of this.#leases.values()) lease.state = 'gone'
  }

  wanted(): WantedPage[] {
    if (this.#stopping !== undefined) return []
    const { source, registry } = this.#options
    const leases = [...this.#leases.values()]
    const hungry = leases.filter(
      ({ state, part, window }) =>
        state === 'held' && window.waiting < pageRows / 2 && registry.byId(partOf(part).streamId) !== undefined,
    )
    const heldBytes = leases.reduce((sum, { window }) => sum + window.waitingBytes, this.#dispatcher.unsettledBytes)
    const maxRows = Math.min(pageRows, Math.max(16, 2 * source.prefetch))
    return hungry.flatMap((lease) => {
      const { lane, part, since, window } = lease
      const budget = (lane === 0 ? mostBytes : mostBytes * 1.25) - heldBytes
      if (budget <= 0) return []
      const maxBytes = Math.min(budget, mostReadingBytes) / hungry.length
      const request = { part, since, point: window.readPoint, types: source.types, maxRows, maxBytes }
      const take: WantedPage['take'] = (page) => {
        if (lease.state !== 'held') return
        window.add(page)
        lease.more = page.more
        if (page.rows.length > 0) this.#dispatcher.ask()
      }
      return [{ request, take }]
    })
  }

  noticeStreams(latest: number): void {
    if (this.#options.source.streams !== 'all' || latest === this.#latestStream || this.#isRegistering) return
    this.#isRegistering = true
    void this.#registerNew(latest)
      .catch((error: unknown) => this.#options.reporter.failed('registering a new stream for the group', error))
      .finally(() => {
        this.#isRegistering = false
      })
  }

  async #registerNew(latest: number): Promise<void> {
    const { db, registry, source } = this.#options
    const streams = await registry.load()
    await registerGroup(db, { group: source.group, streams, all: true, from: 'earliest' })
    this.#latestStream = latest
    this.#ownership.refresh()
  }

  reset(): void {
    this.#lose([...this.#leases.keys()])
    this.#ownership.refresh()
  }

  async #registerAgain(): Promise<void> {
    const { db, registry, source, streams } = this.#options
    const all = source.streams === 'all'
    await registerGroup(db, {
      group: source.group,
      streams: all ? await registry.load() : streams,
      all,
      from: 'earliest',
    })
  }

  #own(parts: readonly ClaimedPart[]): void {
    for (const claimed of parts) {
      const { part, epoch } = claimed
      const ended = this.#ended.get(part)
      // Lost and let go of here, and nobody had it since: nothing of ours is in doubt.
      const isOurs = claimed.previousOwner === this.#options.member && ended?.epoch === epoch - 1
      const suspects = isOurs ? ended.suspects : claimed.suspects
      if (claimed.incarnation === this.#options.reader.incarnation) {
        this.#leases.set(part, leaseOf(claimed, suspects, this.#allowance))
        this.#ended.delete(part)
      } else {
        // Claimed on a run of the server that the reader does not know yet, or no longer: a later heartbeat claims it again.
        this.#ended.set(part, { epoch, suspects })
      }
    }
    void this.#knowStreams(parts).then(() => this.#options.reader.wake())
  }

  /** Another member may have registered streams that this process has not met. */
  async #knowStreams(parts: readonly ClaimedPart[]): Promise<void> {
    const { registry, reporter } = this.#options
    if (parts.every(({ part }) => registry.byId(partOf(part).streamId) !== undefined)) return
    await registry.load().catch((error: unknown) => reporter.failed('reading the registered streams', error))
  }

  #give(parts: readonly number[]): void {
    for (const part of parts) {
      const lease = this.#leases.get(part)
      if (lease?.state !== 'held') continue
      lease.state = 'leaving'
      void this.#revoke(lease)
    }
  }

  #lose(parts: readonly number[]): void {
    for (const part of parts) {
      const lease = this.#leases.get(part)
      if (lease === undefined) continue
      const { state } = lease
      lease.state = 'gone'
      this.#leases.delete(part)
      if (state === 'held' || state === 'leaving') this.#ending.add(part)
      if (state === 'held') void this.#revoke(lease)
    }
  }

  async #revoke(lease: Lease): Promise<void> {
    const { sink, source, reporter } = this.#options
    const { part, epoch, window } = lease
    try {
      await sink.revoke(String(part))
    } catch (cause) {
      const text = `group ${source.group}: the sink failed to let go of part ${part}: ${messageOf(cause)}`
      reporter.report('revoke', new AcuseError('ACUSE_LEASE_LOST', text, { cause }))
    }
    if (lease.state === 'leaving') lease.state = 'revoked'
    else if (this.#ending.delete(part)) this.#ended.set(part, { epoch, suspects: window.suspects })
    this.#ownership.refresh()
  }

  async #releaseRevoked(): Promise<boolean> {
    const revoked = [...this.#leases.values()].filter(({ state }) => state === 'revoked')
    if (revoked.length === 0) return false
    await this.#saver.release(revoked)
    for (const lease of revoked) if (hasGone(lease)) this.#leases.delete(lease.part)
    return true
  }

  /** Something was delivered, settled or saved: there may be room to read on, or more begun than was promised. */
  #moved(): void {
    for (const lease of this.#leases.values()) this.#saver.delivered(lease)
    const isHungry = [...this.#leases.values()].some(
      ({ state, more, window }) => state === 'held' && more && window.waiting < pageRows / 2,
    )
    if (isHungry && this.wanted().length > 0) this.#options.reader.wake()
  }
}

function hasGone({ state }: Lease): boolean {
  return state === 'gone'
}

/** Waits for `work`, at most `timeoutMs`. */
async function within(clock: Clock, timeoutMs: number, work: Promise<void>): Promise<void> {
  let cancel: (() => void) | undefined
  const timeout = new Promise<void>((resolve) => {
    cancel = clock.after(timeoutMs, resolve)
  })
  await Promise.race([work, timeout])
  cancel?.()
}
