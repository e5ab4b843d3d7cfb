import { point } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import type { GroupDeclaration } from './group.ts'
import { GroupRunner } from './group-runner.ts'
import { Loop } from './loop.ts'
import type { OutgoingSettings } from './outgoing.ts'
import { Relay, type RelayState } from './relay.ts'
import { type CronEntry, Scheduler } from './scheduler.ts'
import type { Store, StoreFactory } from './store.ts'
import type { Transport, TransportContext, TransportFactory } from './transport.ts'

const purgeEveryMs = 600_000
const purgeLimit = 10_000
/** A connected transport needs no further rounds; the loop only waits to be stopped. */
const connectedWaitMs = 3_600_000

export interface RunningOptions<Tx> {
  readonly instance: string
  readonly outgoing: OutgoingSettings
  readonly store: StoreFactory<Tx>
  readonly transport: TransportFactory | undefined
  readonly relays: boolean
  readonly groups: readonly GroupDeclaration<Tx>[]
  readonly crons: readonly CronEntry[]
  readonly inboxRetentionMs: number
  readonly random: () => number
  readonly pollMs: number
  readonly onError: (error: AcuseError) => void
}

/** Opens the store and begins to run. A transport that is down is tried again in the background, while publishing works. */
export async function openRunning<Tx>(
  options: RunningOptions<Tx>,
  onOpen: (running: Running<Tx>) => void,
): Promise<void> {
  const { instance, outgoing, onError, groups } = options
  const context = { service: outgoing.service, instance, clock: outgoing.clock, onError }
  const store = await options.store({
    ...context,
    groups: groups.map(({ name }) => name),
    effectConnections: groups.reduce((sum, { settings }) => sum + settings.concurrency, 0) + 1,
  })
  const running = new Running(store, context, options)
  // Handlers run before the start is over, and need the bus then already.
  onOpen(running)
  try {
    await running.start()
  } catch (error) {
    await running.drain(0, new AcuseError('ACUSE_DRAIN_TIMEOUT', 'the start failed'))
    await running.close()
    // A database that was there when it was opened may be lost before all has begun.
    if (error instanceof AcuseError || store.classify(error) !== 'unavailable') throw error
    throw new AcuseError('ACUSE_STORE_UNAVAILABLE', `store ${store.name} was lost during the start; start again.`, {
      cause: error,
    })
  }
}

/** The parts of a started bus. */
export class Running<Tx> {
  readonly store: Store<Tx>
  readonly groups: readonly GroupRunner<Tx>[]
  readonly scheduler: Scheduler<Tx>
  readonly #context: TransportContext
  readonly #options: RunningOptions<Tx>
  readonly #connect: Loop
  readonly #purge: Loop
  #waiting: GroupRunner<Tx>[]
  #transport: Transport | undefined
  #relay: Relay<Tx> | undefined

  constructor(store: Store<Tx>, context: TransportContext, options: RunningOptions<Tx>) {
    const { outgoing, random, pollMs, crons, inboxRetentionMs } = options
    const { service, clock, onError } = context
    const { codec } = outgoing
    this.store = store
    this.#context = context
    this.#options = options
    this.scheduler = new Scheduler({ store, clock, outgoing, crons, pollMs, onError })
    const shared = {
      service,
      store,
      clock,
      codec,
      outgoing,
      random,
      pollMs,
      onScheduled: this.scheduler.expect,
      onError,
    }
    this.groups = options.groups.map((declaration) => new GroupRunner({ ...shared, declaration }))
    this.#waiting = [...this.groups]
    this.#purge = new Loop({
      clock,
      round: async () => {
        point('inbox.beforePurge')
        const purged = await store.inbox.purge(inboxRetentionMs, purgeLimit)
        point('inbox.afterPurge')
        return purged === purgeLimit ? 1_000 : purgeEveryMs
      },
      onError: (cause) => onError(inBackground('ACUSE_STORE_UNAVAILABLE', 'the inbox purge failed', cause)),
    })
    this.#connect = new Loop({
      clock,
      round: () => this.#connectOnce(),
      onError: (cause) =>
        onError(inBackground('ACUSE_TRANSPORT_UNAVAILABLE', 'the transport cannot be reached', cause)),
    })
  }

  get connected(): boolean {
    return this.#transport !== undefined && this.#waiting.length === 0
  }

  get relaying(): boolean {
    return this.#relay !== undefined
  }

  async relayState(): Promise<RelayState | undefined> {
    return this.#relay?.state()
  }

  async start(): Promise<void> {
    await this.scheduler.start()
    this.#purge.start()
    try {
      await this.#connectOnce()
    } catch (error) {
      if (isForGood(error)) throw error
      this.#context.onError(inBackground('ACUSE_TRANSPORT_UNAVAILABLE', 'the transport cannot be reached', error))
    }
    this.#connect.start()
  }

  wake(): void {
    for (const group of this.groups) group.wake()
    this.#relay?.wake()
  }

  /** Begins nothing more and lets what runs finish; publishing still works. */
  async drain(deadlineMs: number, reason: AcuseError): Promise<void> {
    await Promise.all([this.scheduler.stop(), this.#purge.stop(), this.#connect.stop()])
    await Promise.all([this.#relay?.stop(deadlineMs), ...this.groups.map((group) => group.stop(deadlineMs, reason))])
  }

  async close(): Promise<void> {
    if (this.#transport !== this.store.log) await this.#transport?.[Symbol.asyncDispose]()
    await Promise.all(this.groups.map((group) => group.close()))
    await this.store[Symbol.asyncDispose]()
  }

  /** Does what is left of connecting; what was done in an earlier round stays. */
  async #connectOnce(): Promise<number> {
    const { log } = this.store
    const transport = (this.#transport ??= (await this.#options.transport?.(this.#context)) ?? log)
    for (const group of this.#waiting.filter(({ isForeign }) => !isForeign)) await this.#startGroup(group, transport)
    if (transport.identity !== log.identity && this.#options.relays && this.#relay === undefined) {
      const { service, clock, onError } = this.#context
      const relay = new Relay({ service, store: this.store, transport, clock, pollMs: this.#options.pollMs, onError })
      await relay.start()
      this.#relay = relay
    }
    // Last, and each for itself: a broker of others that is down holds nothing else up.
    const foreign = await Promise.allSettled(this.#waiting.map((group) => this.#startGroup(group, transport)))
    const failures = foreign.filter((result) => result.status === 'rejected').map(({ reason }): unknown => reason)
    if (failures.length > 0) throw failures.find(isForGood) ?? failures[0]
    return connectedWaitMs
  }

  async #startGroup(group: GroupRunner<Tx>, transport: Transport): Promise<void> {
    await group.start(transport, this.#context)
    this.#waiting = this.#waiting.filter((other) => other !== group)
  }
}

function isForGood(error: unknown): boolean {
  return !(error instanceof AcuseError) || !error.retryable
}

function inBackground(
  code: 'ACUSE_STORE_UNAVAILABLE' | 'ACUSE_TRANSPORT_UNAVAILABLE',
  what: string,
  cause: unknown,
): AcuseError {
  if (cause instanceof AcuseError) return cause
  return new AcuseError(code, `${what}; it is tried again.`, { cause })
}
