import type { Clock } from './clock.ts'
import type { AcuseError } from './errors.ts'
import type { WireMessage } from './message.ts'
import type { Transport } from './transport.ts'

/**
 * A service's own database, as the rest of core needs it. `Tx` is the user's own client inside a transaction.
 * The SQL store and the in-memory store pass one conformance suite.
 *
 * Every moment in it is the database's: callers give delays, never the time of their own machine.
 */
export interface Store<Tx> extends AsyncDisposable {
  readonly name: string
  /** The store's own log, read as a transport: the outbox that the relay reads, or the transport itself where there is only one database. */
  readonly log: Transport
  readonly inbox: Inbox<Tx>
  readonly parked: Parked<Tx>
  readonly deadLetters: DeadLetterStore<Tx>
  readonly history: HistoryStore
  readonly sagas: SagaStore<Tx>
  readonly schedule: ScheduleStore<Tx>
  /**
   * Opens a transaction in the user's client, commits when `work` resolves and rolls back when it rejects, passing its error on.
   * A store that can accept in the message that begins the transaction does so with `opening.accepting`, and gives the verdicts;
   * otherwise `work` accepts by itself.
   */
  transaction<R>(work: (tx: Tx, verdicts?: readonly Verdict[]) => Promise<R>, opening?: Opening): Promise<R>
  /** Whether `candidate` is a client of this store inside an open transaction. */
  isTransaction(candidate: unknown): candidate is Tx
  /** Appends to the log within the caller's transaction. */
  append(tx: Tx, messages: readonly WireMessage[]): Promise<void>
  /** What an error of this store's database means for the message being handled. */
  classify(error: unknown): StoreErrorKind
  /** Ends whatever still runs in a transaction whose handler timed out, so that the client is not shared with a handler that never settled. */
  abort(tx: Tx): void
}

/**
 * `conflict`: a deadlock or serialization failure, worth repeating at once without spending an attempt.
 * `unavailable`: the database cannot be reached or refuses work; hold the message until it can.
 * `other`: the handler's own failure.
 */
export type StoreErrorKind = 'conflict' | 'unavailable' | 'other'

export interface StoreContext {
  readonly service: string
  /** Unique to this process and bus. */
  readonly instance: string
  readonly clock: Clock
  /** Every group of this bus, so that the store can register them. */
  readonly groups: readonly string[]
  /** Connections this bus will hold at once inside effect transactions, for the budget. */
  readonly effectConnections: number
  /** Reports what goes wrong in the background; never throws. */
  readonly onError: (error: AcuseError) => void
}

/** Made by an adapter (`pg(pool)`, `drizzle(db)`); the bus opens it at start: migrations, settings, connection budget. */
export type StoreFactory<Tx> = (context: StoreContext) => Promise<Store<Tx>>

export type Verdict =
  /** Not seen by this group before; the inbox row is now part of the transaction. */
  | 'new'
  /** Applied, parked or dead already. */
  | 'duplicate'
  /** The same id was seen with another body: a duplicate that somebody should look at. */
  | 'conflict'
  /** An earlier message of its key is parked: park it behind. No inbox row was written. */
  | 'blocked'

export interface InboxItem {
  readonly message: WireMessage
  /** Whether parked messages of its key hold it back (`whileRetrying: 'block'` and it has a key). */
  readonly ordered: boolean
}

/** How a transaction begins. */
export interface Opening {
  readonly accepting?: Accepting
  /**
   * The server ends the transaction when nothing has come for so long. Where a client is lost while its connection looks alive, what
   * it has locked would stay locked for hours, and every message of its keys with it. Default: no limit but the server's own.
   */
  readonly idleMs?: number
}

/** Messages that a transaction begins with taking. */
export interface Accepting {
  readonly group: string
  readonly items: readonly InboxItem[]
}

/** Which messages a group has taken responsibility for. */
export interface Inbox<Tx> {
  /** One verdict an item, in order, within the effect transaction. Waits for a concurrent transaction that is accepting the same id. */
  accept(tx: Tx, group: string, items: readonly InboxItem[]): Promise<readonly Verdict[]>
  /** Deletes rows older than `olderThanMs`, at most `limit`; gives how many. Never the row of a message that is parked, dead or being replayed. */
  purge(olderThanMs: number, limit: number): Promise<number>
}

/** Why a message waits. */
export type ParkReason =
  /** It failed and will be retried. */
  | 'retry'
  /** An earlier message of its key waits. */
  | 'behind'
  /** A process that may have begun it did not let go cleanly: it runs under a lease, so that a crash counts as an attempt. */
  | 'suspect'
  /** A handler that calls the world is running it, under a lease and without a transaction. */
  | 'external'
  /** A saga's timeout, not yet due. */
  | 'timeout'
  /** Dead-lettered, holding back its key until an operator decides (`afterDeadLetter: 'block'`). */
  | 'dead'
  /** Replayed, from the dead letters or from the log. */
  | 'replay'

export interface ParkRequest {
  readonly message: WireMessage
  readonly reason: Exclude<ParkReason, 'behind' | 'dead'>
  /** Whether later messages of its key wait for it. */
  readonly ordered: boolean
  /** Attempts spent so far. */
  readonly attempts: number
  readonly dueInMs: number
  readonly error?: FailureRecord
  /** Set to begin it at once under a lease of this many ms, as `claim` would. */
  readonly leaseMs?: number
}

/** What is kept of a failure; no payload and no secret is put here by the framework. */
export interface FailureRecord {
  readonly code: string | null
  readonly name: string
  readonly message: string
  readonly stack: string | null
}

/** A parked message that this process has claimed under a lease. */
export interface Claimed {
  /** Identifies the parked row. */
  readonly id: string
  /** Fences the row: an outcome written with an older token changes nothing. */
  readonly token: string
  /** With its stream's partitions, where the store's own log knows the stream: a relay sends it on. */
  readonly message: WireMessage
  readonly reason: ParkReason
  readonly ordered: boolean
  /** Attempts spent, not counting the one about to begin; an attempt whose lease ran out counts. */
  readonly attempts: number
  /** Whether the last attempt ended without an outcome: its lease ran out, so its process crashed or stalled. */
  readonly crashed: boolean
  /** How long ago its first attempt failed, when it was claimed and by the database's clock; null if none has. */
  readonly failingForMs: number | null
}

export interface ClaimRequest {
  readonly limit: number
  readonly leaseMs: number
  /** true: only those whose lease ran out, which may be what ended their process and run alone; false: all others. */
  readonly crashed: boolean
}

export interface ClaimResult {
  readonly claimed: readonly Claimed[]
  /** How long until something else is due, or null if nothing waits for a time. */
  readonly nextDueInMs: number | null
}

/** Messages that wait: for a retry, for an earlier message of their key, for their time. In order per (group, stream, key). */
export interface Parked<Tx> {
  /**
   * Parks a message and writes its inbox row. Gives null when the group has taken it already;
   * with `leaseMs`, gives the claim under which it runs now.
   */
  park(tx: Tx, group: string, request: ParkRequest): Promise<Claimed | 'parked' | null>
  /**
   * Parks a message behind the earlier ones of its key and writes its inbox row.
   * `free`: nothing of its key is parked any more, nothing was written; `full`: `limit` messages of the key are parked already, nothing was written.
   */
  parkBehind(
    tx: Tx,
    group: string,
    message: WireMessage,
    limit: number,
  ): Promise<'parked' | 'duplicate' | 'free' | 'full'>
  /** Claims what is due, under a lease, in a transaction of its own; of each key only the first. */
  claim(group: string, request: ClaimRequest): Promise<ClaimResult>
  /** Prolongs leases from now; gives the ids still held. */
  extend(group: string, claims: readonly Claimed[], leaseMs: number): Promise<readonly string[]>
  /** Removes a claimed message whose effects are in `tx`, and lets the next of its key go. false: fenced, and `tx` must be rolled back. */
  complete(tx: Tx, group: string, claim: Claimed): Promise<boolean>
  /** Gives a claimed message back, to be due again. false: fenced. */
  reschedule(tx: Tx, group: string, claim: Claimed, outcome: Reschedule): Promise<boolean>
  /** Turns a claimed message into a dead letter. With `block` its key stays held. false: fenced. */
  bury(tx: Tx, group: string, claim: Claimed, death: Death, block: boolean): Promise<boolean>
  /** Deletes a timeout (or any parked message) by its message id, wherever it is not being run. Gives whether it was there. */
  remove(tx: Tx, group: string, messageId: string): Promise<boolean>
  /** How many are parked, by reason. */
  counts(group: string): Promise<Readonly<Partial<Record<ParkReason, number>>>>
}

export interface Reschedule {
  readonly reason: Exclude<ParkReason, 'behind' | 'dead'>
  readonly dueInMs: number
  /** The count to store: one more where an attempt was spent. */
  readonly attempts: number
  readonly error?: FailureRecord
}

export type DeathReason =
  | 'attempts-exhausted'
  | 'not-retryable'
  | 'handler-decided'
  | 'undecodable'
  | 'crashed'
  | 'dependency-down'
  | 'at-most-once'
  | 'relay'
  /** The broker took it out of the group's queue: it had expired, or the queue was full. */
  | 'broker'

export interface Death {
  readonly reason: DeathReason
  readonly error: FailureRecord
  /** Groups dead letters of one cause: the same code, name and shape of message. */
  readonly fingerprint: string
  readonly attempts: number
}

export type DeadLetterState = 'dead' | 'replaying' | 'replayed' | 'discarded'

export interface DeadLetter extends Death {
  readonly id: string
  readonly group: string
  readonly state: DeadLetterState
  /** The raw message: headers and bytes as they came. */
  readonly message: WireMessage
  readonly diedAt: Date
  /** Whether its key is held until an operator decides. */
  readonly blocking: boolean
}

export interface DeadLetterFilter {
  readonly group?: string
  readonly ids?: readonly string[]
  readonly stream?: string
  readonly type?: string
  readonly key?: string
  readonly fingerprint?: string
  readonly reason?: DeathReason
  readonly state?: DeadLetterState
  readonly diedAfter?: Date
  readonly diedBefore?: Date
  /** Default 100. */
  readonly limit?: number
}

export interface DeadLetterStore<Tx> {
  /** Dead-letters a message that was not parked, writing its inbox row. false: the group has taken it already. */
  bury(
    tx: Tx,
    group: string,
    message: WireMessage,
    death: Death,
    options: { readonly block: boolean },
  ): Promise<boolean>
  /** Oldest first. */
  list(filter: DeadLetterFilter): Promise<readonly DeadLetter[]>
  /**
   * Parks what matches (in the order it died per key, due at once), to run again. Only what is `dead`: replaying twice does nothing the second time.
   * Gives how many were taken. Throws `ACUSE_REPLAY_REFUSED` if the inbox does not know a letter any more, unless `force`.
   */
  replay(filter: DeadLetterFilter, options: { readonly force: boolean }): Promise<number>
  /** Marks what matches as discarded, and frees the keys it holds. Gives how many. */
  discard(filter: DeadLetterFilter): Promise<number>
}

/** Which messages of the log are meant: those committed when the replay begins. */
export interface HistoryRange {
  readonly stream: string
  readonly types: readonly string[]
  /** Only those of this key, as it routes. */
  readonly key?: string
  /** Appended at this moment or later, by the database's clock. */
  readonly from?: Date
  /** Appended before this moment. */
  readonly to?: Date
}

export interface HistoryCount {
  readonly matching: number
  /** Of these, how many the group has taken already. */
  readonly known: number
  readonly first: Date | null
  readonly last: Date | null
}

export interface HistoryTake {
  /** The most that one page parks. */
  readonly limit: number
  /** Whether later messages of a key wait for those that are replayed. */
  readonly ordered: boolean
  /** Whether what the group has taken already runs once more. */
  readonly again: boolean
}

export interface HistoryPage {
  readonly taken: number
  /** What matched and was not parked: the group knows it, or it waits or is dead in the group already. */
  readonly skipped: number
  /** Where the next page begins, or null at the end. */
  readonly next: string | null
}

/** The messages that the log still holds, to be given to a group once more. */
export interface HistoryStore {
  /** The log holds everything that was appended since. */
  heldSince(): Promise<Date>
  /** What a replay would find now. Throws `ACUSE_HISTORY_GONE` like `begin`. */
  count(group: string, range: HistoryRange): Promise<HistoryCount>
  /**
   * Gives the position that the first page begins at. What commits later is not part of the replay.
   * Throws `ACUSE_HISTORY_GONE` where `from` is earlier than what the log holds.
   */
  begin(range: HistoryRange): Promise<string>
  /**
   * Parks the next page for the group, due at once, in its order per key, each with its inbox row, all in one transaction.
   * What is parked or dead in the group is left as it is. Throws `ACUSE_HISTORY_GONE` where the log has let go of something of
   * the range since the beginning.
   */
  take(group: string, range: HistoryRange, position: string, options: HistoryTake): Promise<HistoryPage>
}

export interface SagaRecord {
  readonly state: unknown
  readonly version: number
  readonly completed: boolean
  /** By timeout name, the message id of the timeout that counts; others are late and ignored. */
  readonly timeouts: Readonly<Record<string, string>>
}

export interface SagaStore<Tx> {
  load(tx: Tx, saga: string, id: string): Promise<SagaRecord | undefined>
  /** Writes `record` if the stored version is `record.version - 1` (0: none stored). false: somebody else was first. */
  save(tx: Tx, saga: string, id: string, record: SagaRecord): Promise<boolean>
}

export interface Due {
  readonly at?: Date
  readonly inMs?: number
}

export interface CronRecord {
  readonly name: string
  /** Unchanged text means unchanged times; a changed one starts anew. */
  readonly expression: string
  readonly nextAt: Date
}

export interface ScheduleStore<Tx> {
  /** Keeps a message until it is due. */
  add(tx: Tx, message: WireMessage, due: Due): Promise<void>
  /** Cancels what has not been appended yet. Gives whether it was there. */
  cancel(tx: Tx, messageId: string): Promise<boolean>
  /** Appends what is due to the log, at most `limit`, each exactly once. */
  dispatch(limit: number): Promise<{ readonly appended: number; readonly nextDueInMs: number | null }>
  /** The database's clock. */
  now(): Promise<Date>
  /** Registers a cron entry; `firstAt` counts only if it is new or its expression changed. */
  registerCron(name: string, expression: string, firstAt: Date): Promise<void>
  /**
   * If the entry is due and nobody else has it, appends the message made for that time and moves it to the time `after` gives, in one transaction.
   * Gives how long until it is due next, or null when it is not registered.
   */
  runCron(
    name: string,
    fire: (dueAt: Date, now: Date) => Promise<{ readonly message: WireMessage; readonly nextAt: Date }>,
  ): Promise<number | null>
}
