import { randomUUID } from 'node:crypto'
import type {
  PublishResult,
  Sink,
  Source,
  SourceStream,
  Subscription,
  Transport,
  TransportCapabilities,
  TransportContext,
  WireMessage,
} from '@acuse/core'
import { checkAtLeast } from '@acuse/core'
import type { Db, RunQuery } from '../db.ts'
import { isUnavailable } from '../db-errors.ts'
import { Appender } from './appender.ts'
import { registerGroup } from './cursors.ts'
import { enterIncarnation, identityOf } from './incarnation.ts'
import { Keeper } from './keeper.ts'
import { Publisher } from './publisher.ts'
import { Reader } from './reader.ts'
import { asUnavailable, Reporter } from './report.ts'
import { StreamRegistry } from './streams.ts'
import { LogSubscription } from './subscription.ts'
import { Ticker } from './ticks.ts'
import { logChannel, Notifier } from './wake.ts'

export interface LogOptions {
  /** The streams this service declares, so that publishing can register them. One that is not named here gets 4 partitions when it is published to first. */
  readonly streams?: readonly SourceStream[]
  /** How long a process that stopped answering keeps its parts, ms. Default 15,000. */
  readonly leaseMs?: number
  /** The longest pause between two looks at a quiet log, ms; NOTIFY ends it early. Default 5,000, which is also the most. */
  readonly pollMaxMs?: number
  /**
   * Whether an append may NOTIFY in the caller's own transaction, which wakes idle readers at its commit. Default true.
   * false where the application uses PREPARE TRANSACTION, which PostgreSQL refuses then; readers are woken about 50 ms later.
   */
  readonly notifyInTransaction?: boolean
  /** How long messages are kept at least, also when every group has read them, ms. Default 24 hours. */
  readonly retentionMs?: number
  /** How long one leaf of the ring is written to, ms. Default a sixth of the retention. */
  readonly rotateAfterMs?: number
  /** The largest message the log takes, headers included, bytes. Default 32 MiB. */
  readonly maxMessageBytes?: number
}

/** The log as a transport, and as the outbox of the store in the same database. */
export interface PostgresLog extends Transport {
  /** The same for every address of one database and schema. */
  readonly identity: string
  /**
   * Appends in the transaction that `run` belongs to. Throws `ACUSE_UNENCODABLE` or `ACUSE_MESSAGE_TOO_LARGE` before anything reaches it.
   * Streams not seen before are registered first, in a transaction of their own.
   */
  append(run: RunQuery, messages: readonly WireMessage[]): Promise<void>
  /** Registers the streams of messages that will be appended later, with the partition counts they carry. */
  register(messages: readonly WireMessage[]): Promise<void>
}

const dayMs = 24 * 60 * 60 * 1_000
const longestPollMs = 5_000
const longestIdleSaveMs = 30_000

/** Opens the log in a migrated schema. The Db stays the caller's to close. Throws `ACUSE_READ_ONLY` on a standby. */
export async function openLog(db: Db, context: TransportContext, options: LogOptions = {}): Promise<PostgresLog> {
  const settings = settingsOf(options)
  const incarnation = await enterIncarnation(db)
  const identity = await identityOf(db)
  const log = new Log(db, context, { ...settings, identity, incarnation })
  await log.open()
  return log
}

type Settings = Required<LogOptions>

function settingsOf(options: LogOptions): Settings {
  const retentionMs = options.retentionMs ?? dayMs
  const settings = {
    streams: options.streams ?? [],
    leaseMs: options.leaseMs ?? 15_000,
    pollMaxMs: Math.min(options.pollMaxMs ?? longestPollMs, longestPollMs),
    notifyInTransaction: options.notifyInTransaction ?? true,
    retentionMs,
    rotateAfterMs: options.rotateAfterMs ?? retentionMs / 6,
    maxMessageBytes: options.maxMessageBytes ?? 32 * 1024 * 1024,
  }
  checkAtLeast('leaseMs', settings.leaseMs, 100)
  checkAtLeast('pollMaxMs', settings.pollMaxMs, 1)
  checkAtLeast('retentionMs', settings.retentionMs, 1)
  checkAtLeast('rotateAfterMs', settings.rotateAfterMs, 1)
  checkAtLeast('maxMessageBytes', settings.maxMessageBytes, 1)
  return settings
}

class Log implements PostgresLog {
  readonly name = 'postgres'
  readonly capabilities: TransportCapabilities = { ordered: true, priorities: true, history: true }
  readonly identity: string
  readonly #db: Db
  readonly #context: TransportContext
  readonly #settings: Settings
  readonly #reporter: Reporter
  readonly #registry: StreamRegistry
  readonly #ticker: Ticker
  readonly #notifier: Notifier
  readonly #appender: Appender
  readonly #publisher: Publisher
  readonly #reader: Reader
  readonly #keeper: Keeper
  readonly #subscriptions = new Set<LogSubscription>()
  #stopListening: (() => Promise<void>) | undefined

  constructor(db: Db, context: TransportContext, settings: Settings & { identity: string; incarnation: string }) {
    const { clock } = context
    const { pollMaxMs, maxMessageBytes } = settings
    const reporter = new Reporter(context.onError)
    this.identity = settings.identity
    this.#db = db
    this.#context = context
    this.#settings = settings
    this.#reporter = reporter
    this.#registry = new StreamRegistry(db, settings.streams)
    this.#ticker = new Ticker(db, clock, reporter)
    this.#notifier = new Notifier(db, clock, reporter, settings.notifyInTransaction)
    this.#appender = new Appender({
      schema: db.schema,
      registry: this.#registry,
      notifier: this.#notifier,
      ticker: this.#ticker,
      maxMessageBytes,
    })
    this.#publisher = new Publisher(this.#appender, db.query.bind(db), maxMessageBytes)
    const enter = (): Promise<string> => enterIncarnation(db)
    this.#reader = new Reader({ db, clock, pollMaxMs, reporter, ticker: this.#ticker, enter }, settings.incarnation)
    this.#keeper = new Keeper(db, clock, reporter, settings)
  }

  async open(): Promise<void> {
    await this.#registry.load()
    for (const stream of this.#settings.streams) await this.#registry.declare(stream)
    this.#keeper.start()
  }

  append(run: RunQuery, messages: readonly WireMessage[]): Promise<void> {
    return this.#appender.append(run, messages)
  }

  async register(messages: readonly WireMessage[]): Promise<void> {
    await this.#appender.prepare(messages)
  }

  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return this.#publisher.publish(batch, signal)
  }

  async consume(source: Source, sink: Sink): Promise<Subscription> {
    try {
      return await this.#join(source, sink)
    } catch (error) {
      throw isUnavailable(error) ? asUnavailable(`joining group ${source.group}`, error) : error
    }
  }

  async #join(source: Source, sink: Sink): Promise<Subscription> {
    const all = source.streams === 'all'
    const streams = all
      ? await this.#registry.load()
      : await Promise.all(source.streams.map((stream) => this.#registry.declare(stream)))
    await registerGroup(this.#db, { group: source.group, streams, all, from: source.from })
    this.#stopListening ??= await this.#db.listen(logChannel(this.#db.schemaName), () => this.#reader.wake())
    const { leaseMs, retentionMs } = this.#settings
    const subscription = new LogSubscription({
      db: this.#db,
      clock: this.#context.clock,
      reporter: this.#reporter,
      reader: this.#reader,
      registry: this.#registry,
      member: `${this.#context.instance}/${randomUUID()}`,
      leaseMs,
      idleSaveMs: Math.min(longestIdleSaveMs, Math.max(1_000, retentionMs / 20)),
      source,
      sink,
      streams,
    })
    await subscription.start()
    this.#subscriptions.add(subscription)
    return {
      pause: () => subscription.pause(),
      resume: () => subscription.resume(),
      stop: async (deadlineMs) => {
        await subscription.stop(deadlineMs)
        this.#subscriptions.delete(subscription)
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(0)))
    await this.#stopListening?.()
    await this.#keeper.stop()
    await this.#reader.stop()
    await this.#publisher.idle()
    await this.#notifier.stop()
    await this.#ticker.stop()
  }
}
