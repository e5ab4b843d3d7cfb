import { hostname } from 'node:os'
import { type Clock, systemClock } from './clock.ts'
import { cloudEvents } from './cloud-events.ts'
import type { Codec } from './codec.ts'
import { type DeadLetters, deadLettersOf } from './dead-letters.ts'
import { point, tell } from './diagnostics.ts'
import { AcuseError, ConfigurationError, NotInTransactionError } from './errors.ts'
import type { ForeignSource, ForeignTarget } from './foreign.ts'
import { ForeignGroup } from './foreign-group.ts'
import type { ForeignMapping } from './foreign-reading.ts'
import { ForwardGroup, type ForwardOptions } from './forward-group.ts'
import { type Group, GroupDeclaration } from './group.ts'
import type { GroupState } from './group-runner.ts'
import type { GroupOptions, HandlerPublish } from './handler.ts'
import { appendAlone, appendPrepared, PublishScope } from './handler-call.ts'
import { type History, historyOf } from './history.ts'
import { newId } from './ids.ts'
import type { AnyMessageType, OutgoingMessage, PublishOptions } from './message.ts'
import { checkAtLeast, checkName } from './names.ts'
import { type OutgoingSettings, prepare, type TraceSource } from './outgoing.ts'
import type { RelayState } from './relay.ts'
import type { Saga } from './saga.ts'
import { sagaGroup } from './saga-handler.ts'
import { openRunning, type Running } from './running.ts'
import { type CronEntry, cronEntry, type CronOptions } from './scheduler.ts'
import type { StoreFactory } from './store.ts'
import { idWithin } from './tenant.ts'
import type { TransportFactory } from './transport.ts'

export interface BusOptions<Tx> {
  /** The service's name: the source of its messages and the default name of its group. */
  readonly service: string
  /** The service's own database: `pg(pool)`, `drizzle(db)`, `typeorm(dataSource)`, `kysely(db, pool)`, …, `embedded()`. */
  readonly store: StoreFactory<Tx>
  /** The broker. Left out, the store's own log is the transport, for services that share one database. */
  readonly transport?: TransportFactory
  /** Default: CloudEvents 1.0, binary mode. */
  readonly codec?: Codec
  /** `inside` (default): this process relays its store's log to the transport. `elsewhere`: `acuse relay` does, as a process of its own. */
  readonly relay?: 'inside' | 'elsewhere'
  /** Default 1,000,000. */
  readonly maxMessageBytes?: number
  /**
   * How long at most until a process finds what others of its service scheduled or parked (retries, saga timeouts), ms.
   * At least 10; default 1,000. What it did itself it finds at once.
   */
  readonly pollMs?: number
  /** Inbox rows older than this are deleted, ms; what waits or is dead keeps its row. Default 30 days. */
  readonly inboxRetentionMs?: number
  /** Trace context for messages that are not published by a handler. */
  readonly trace?: TraceSource
  /** Told of what fails in the background and is tried again. Default: nobody; `acuse:error` on diagnostics_channel tells too. */
  readonly onError?: (error: AcuseError) => void
  readonly clock?: Clock
  /** Source of jitter, 0 to 1. Default Math.random. */
  readonly random?: () => number
  /** Makes the ids of messages; each has to be unique for ever. Default: UUID v7. A simulation has others, to repeat itself. */
  readonly newId?: (nowMs: number) => string
}

const defaultInboxRetentionMs = 30 * 86_400_000

/** What became of a publish: in the log of the open transaction, or kept until it is due. */
export interface Published {
  readonly id: string
  readonly state: 'queued' | 'scheduled'
}

export interface CancelOptions {
  readonly tenant?: string
}

export interface StopOptions {
  /** How long handlers may take to finish, ms. Default 30,000. */
  readonly deadlineMs?: number
}

export interface BusState {
  readonly service: string
  readonly running: boolean
  /** Whether the transport has been reached since the start. */
  readonly connected: boolean
  readonly relaying: boolean
  /** Null where this process does not relay. */
  readonly relay: RelayState | null
  readonly groups: readonly GroupState[]
}

/** Publishes, consumes and keeps the promises of one service. `Tx` is its client inside a transaction. */
export class Bus<Tx> implements AsyncDisposable {
  readonly service: string
  readonly deadLetters: DeadLetters
  /** What the log still holds, to be given to a group once more. */
  readonly history: History
  readonly #options: BusOptions<Tx>
  readonly #outgoing: OutgoingSettings
  readonly #instance: string
  readonly #groups = new Map<string, GroupDeclaration<Tx>>()
  readonly #crons = new Map<string, CronEntry>()
  #running: Running<Tx> | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #closed = false

  constructor(options: BusOptions<Tx>) {
    checkName('service', options.service)
    const maxMessageBytes = options.maxMessageBytes ?? 1_000_000
    checkAtLeast('maxMessageBytes', maxMessageBytes, 1)
    this.service = options.service
    this.#options = options
    this.#instance = `${options.service}@${hostname()}:${process.pid}:${newId(Date.now()).slice(-12)}`
    this.#outgoing = {
      service: options.service,
      codec: options.codec ?? cloudEvents(),
      clock: options.clock ?? systemClock,
      newId: options.newId ?? newId,
      trace: options.trace ?? ((): undefined => undefined),
      maxMessageBytes,
    }
    this.deadLetters = deadLettersOf(
      () => this.#require().store,
      () => this.#running?.wake(),
    )
    this.history = historyOf({
      store: () => this.#require().store,
      clock: this.#outgoing.clock,
      groups: this.#groups,
      inboxRetentionMs: options.inboxRetentionMs ?? defaultInboxRetentionMs,
      onTaken: () => this.#running?.wake(),
    })
  }

  /**
   * Publishes within your transaction: the message exists if and only if it commits. Publish after you write, so that messages
   * of one key are in the order of their commits. Rejects with `ACUSE_NOT_IN_TRANSACTION`, or because the message cannot be encoded.
   */
  async publish(tx: Tx, message: OutgoingMessage, options?: PublishOptions): Promise<Published>
  async publish(tx: Tx, messages: readonly OutgoingMessage[], options?: PublishOptions): Promise<readonly Published[]>
  async publish(
    tx: Tx,
    messages: OutgoingMessage | readonly OutgoingMessage[],
    options: PublishOptions = {},
  ): Promise<Published | readonly Published[]> {
    const { store, scheduler } = this.#require()
    if (!store.isTransaction(tx)) throw new NotInTransactionError(describe(tx))
    const list = isList(messages) ? messages : [messages]
    if (options.id !== undefined && list.length > 1) {
      throw new ConfigurationError('publish: one id cannot be given to several messages; publish them one by one.')
    }
    const prepared = []
    for (const message of list) prepared.push(await prepare(message, options, undefined, this.#outgoing))
    if (!store.isTransaction(tx)) throw new NotInTransactionError(describe(tx))
    await appendPrepared(store, tx, prepared, this.service, scheduler.expect)
    const published = prepared.map(({ message, due }): Published => ({
      id: message.id,
      state: due === undefined ? 'queued' : 'scheduled',
    }))
    const [first] = published
    return isList(messages) || first === undefined ? published : first
  }

  /**
   * Publishes by itself, outside your transactions. Resolves once it is committed; what is called at the same time goes into the log
   * together, in the order of the calls. Rejects within 30 s, with `ACUSE_TRANSPORT_UNAVAILABLE` when the store cannot be reached and
   * `ACUSE_PUBLISH_TIMEOUT` when it has not answered: the message may or may not be there then.
   */
  async publishNow(message: OutgoingMessage, options: PublishOptions = {}): Promise<Published> {
    const { store, scheduler } = this.#require()
    const prepared = await prepare(message, options, undefined, this.#outgoing)
    const { id } = prepared.message
    if (prepared.due === undefined) {
      await appendAlone(store, prepared.message, this.#outgoing)
      return { id, state: 'queued' }
    }
    await store.transaction((tx) => appendPrepared(store, tx, [prepared], this.service, scheduler.expect))
    scheduler.wake()
    return { id, state: 'scheduled' }
  }

  /**
   * Opens a transaction in your client, and appends what `work` publishes at its end, when all its row locks are held:
   * messages of one key are then in the order of their commits whatever the order of its statements.
   */
  async transaction<R>(work: (tx: Tx, publish: HandlerPublish) => Promise<R>): Promise<R> {
    const { store, scheduler } = this.#require()
    const scope = new PublishScope(this.#outgoing)
    let scheduled = false
    const result = await store.transaction(async (tx) => {
      try {
        const given = await work(tx, scope.publish)
        scope.close()
        const prepared = await scope.prepare()
        scheduled = prepared.some(({ due }) => due !== undefined)
        await appendPrepared(store, tx, prepared, this.service, scheduler.expect)
        point('publish.beforeCommit')
        return given
      } finally {
        scope.close()
      }
    })
    point('publish.afterCommit')
    if (scheduled) scheduler.wake()
    return result
  }

  /**
   * Cancels a scheduled message that has not been sent yet, within your transaction. Gives whether it was there.
   * `id` is the one that publishing gave; with `tenant`, the one you chose for that tenant's message.
   */
  async cancel(tx: Tx, id: string, options: CancelOptions = {}): Promise<boolean> {
    const { store } = this.#require()
    if (!store.isTransaction(tx)) throw new NotInTransactionError(describe(tx))
    return store.schedule.cancel(tx, idWithin(options.tenant ?? null, id))
  }

  /** Declares a group of handlers; its name defaults to the service's. All processes of a group share its messages. */
  group(options?: GroupOptions<Tx>): Group<Tx>
  group(name: string, options?: GroupOptions<Tx>): Group<Tx>
  group(nameOrOptions?: string | GroupOptions<Tx>, options: GroupOptions<Tx> = {}): Group<Tx> {
    const named = typeof nameOrOptions === 'string'
    return this.#declare(
      new GroupDeclaration<Tx>(named ? nameOrOptions : this.service, named ? options : (nameOrOptions ?? {})),
    )
  }

  /**
   * Declares a group that consumes a queue, topic or subject that Acuse did not declare, and never will. Its messages become those of
   * the types it handles; what cannot be read becomes a dead letter with its bytes. Throws `ACUSE_CONFIGURATION`.
   */
  from(name: string, source: ForeignSource, mapping: ForeignMapping = {}, options: GroupOptions<Tx> = {}): Group<Tx> {
    const { clock } = this.#outgoing
    const makeId = (): string => this.#outgoing.newId(clock.now())
    return this.#declare(new ForeignGroup<Tx>({ name, source, mapping, group: options, newId: makeId, clock }))
  }

  /**
   * Publishes messages of these types also to an exchange, topic or subject that others read, as a group of its own: each confirmed, those
   * of a key in order and one at a time, again until the target takes it.
   */
  forward(
    name: string,
    types: readonly AnyMessageType[],
    target: ForeignTarget,
    options: ForwardOptions<Tx> = {},
  ): void {
    this.#declare(new ForwardGroup<Tx>(name, types, target, options))
  }

  /** Runs a saga, in a group named `saga.<name>`. */
  saga<State>(saga: Saga<State>, options: GroupOptions<Tx> = {}): void {
    this.#declare(sagaGroup(saga, options, () => ({ store: this.#require().store, outgoing: this.#outgoing })))
  }

  /** Publishes a message at the times of a cron expression, once for all processes of the service. */
  cron(name: string, expression: string, message: (dueAt: Date) => OutgoingMessage, options: CronOptions = {}): void {
    this.#refuseIfStarted(`cron ${name}`)
    if (this.#crons.has(name)) throw new ConfigurationError(`cron ${name} is declared twice.`)
    this.#crons.set(name, cronEntry(name, expression, message, options))
  }

  /** Opens store and transport, checks their settings, and begins to consume. A broker that is down does not stop it. */
  async start(): Promise<void> {
    if (this.#starting !== undefined)
      throw new AcuseError('ACUSE_ALREADY_STARTED', `bus ${this.service} was started already.`)
    for (const group of this.#groups.values()) group.seal()
    this.#starting = this.#open()
    await this.#starting
  }

  /** Drains and closes: begins nothing more, lets handlers finish until the deadline, lets go of leases. */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#close(options.deadlineMs ?? 30_000)
    await this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async state(): Promise<BusState> {
    const running = this.#running
    return {
      service: this.service,
      running: running !== undefined && this.#stopping === undefined,
      connected: running?.connected ?? false,
      relaying: running?.relaying ?? false,
      relay: (this.#stopping === undefined ? await running?.relayState() : undefined) ?? null,
      groups: await Promise.all((running?.groups ?? []).map((group) => group.state())),
    }
  }

  #declare(group: GroupDeclaration<Tx>): Group<Tx> {
    this.#refuseIfStarted(`group ${group.name}`)
    if (this.#groups.has(group.name)) {
      throw new AcuseError(
        'ACUSE_DUPLICATE_HANDLER',
        `group ${group.name} is declared twice; chain its handlers instead.`,
      )
    }
    this.#groups.set(group.name, group)
    return group
  }

  #refuseIfStarted(what: string): void {
    if (this.#starting === undefined) return
    throw new AcuseError('ACUSE_ALREADY_STARTED', `${what} must be declared before bus.start().`)
  }

  #require(): Running<Tx> {
    // While it drains, handlers that run may still publish and cancel.
    if (this.#running !== undefined && !this.#closed) return this.#running
    throw new AcuseError('ACUSE_NOT_STARTED', `bus ${this.service} does not run: await bus.start() first.`)
  }

  readonly #onError = (error: AcuseError): void => {
    tell('error', { service: this.service, error })
    this.#options.onError?.(error)
  }

  async #open(): Promise<void> {
    const {
      inboxRetentionMs = defaultInboxRetentionMs,
      pollMs = 1_000,
      relay = 'inside',
      random = Math.random,
      store,
      transport,
    } = this.#options
    checkAtLeast('inboxRetentionMs', inboxRetentionMs, 60_000)
    checkAtLeast('pollMs', pollMs, 10)
    const options = {
      instance: this.#instance,
      outgoing: this.#outgoing,
      store,
      transport,
      relays: relay === 'inside',
      groups: [...this.#groups.values()],
      crons: [...this.#crons.values()],
      inboxRetentionMs,
      random,
      pollMs,
      onError: this.#onError,
    }
    try {
      await openRunning(options, (running) => {
        this.#running = running
      })
    } catch (error) {
      this.#running = undefined
      throw error
    }
  }

  async #close(deadlineMs: number): Promise<void> {
    // A start that failed has closed what it had opened.
    await this.#starting?.catch(() => undefined)
    const reason = new AcuseError(
      'ACUSE_DRAIN_TIMEOUT',
      `bus ${this.service}: a handler did not finish within ${deadlineMs} ms of the stop.`,
    )
    await this.#running?.drain(deadlineMs, reason)
    this.#closed = true
    await this.#running?.close()
  }
}

/** Declares a bus; nothing is opened before `start`. */
export function createBus<Tx>(options: BusOptions<Tx>): Bus<Tx> {
  return new Bus(options)
}

function isList(messages: OutgoingMessage | readonly OutgoingMessage[]): messages is readonly OutgoingMessage[] {
  return Array.isArray(messages)
}

function describe(given: unknown): string {
  if (given === null || given === undefined) return String(given)
  const name = typeof given === 'object' ? given.constructor?.name : typeof given
  return `a ${name ?? 'value'} that is not inside an open transaction`
}
