import type { WireMessage } from '@acuse/core'
import { sqlStateOf } from '../db-errors.ts'
import type { RunQuery } from '../db.ts'
import { appendToLog, refusal, statementsOf } from './append.ts'
import { laneOf } from './parts.ts'
import type { RegisteredStream, StreamRegistry } from './streams.ts'
import type { Ticker } from './ticks.ts'
import type { Notifier } from './wake.ts'

/** What log_append raises when a stream is not registered. */
const unregisteredState = 'AC001'

export interface AppenderOptions {
  readonly schema: string
  readonly registry: StreamRegistry
  readonly notifier: Notifier
  readonly ticker: Ticker
  readonly maxMessageBytes: number
}

/** Appends to the log in whatever transaction `run` belongs to, and sees to it that readers notice. */
export class Appender {
  readonly #options: AppenderOptions

  constructor(options: AppenderOptions) {
    this.#options = options
  }

  /** Throws what a message is refused for, before anything reaches the database. */
  check(messages: readonly WireMessage[]): void {
    for (const message of messages) {
      const refused = refusal(message, this.#options.maxMessageBytes)
      if (refused !== undefined) throw refused
    }
  }

  /** Registers the streams and lanes, in a transaction of their own: the caller's may stay open for long. */
  async prepare(messages: readonly WireMessage[]): Promise<ReadonlyMap<string, RegisteredStream>> {
    const streams = new Map<string, RegisteredStream>()
    const { registry } = this.#options
    for (const { stream, partitions, priority } of messages) {
      const known = streams.get(stream) ?? (await registry.ensure(stream, partitions))
      streams.set(stream, known)
      const lane = laneOf(priority)
      if (lane > 0) await registry.ensureLane(known, lane)
    }
    return streams
  }

  /** Appends in order; checks and prepares first. */
  async append(run: RunQuery, messages: readonly WireMessage[]): Promise<void> {
    this.check(messages)
    const streams = await this.prepare(messages)
    for (const statement of statementsOf(messages)) await this.#appendOne(run, statement, streams)
  }

  async #appendOne(
    run: RunQuery,
    messages: readonly WireMessage[],
    streams: ReadonlyMap<string, RegisteredStream>,
  ): Promise<void> {
    const { schema, registry, notifier, ticker } = this.#options
    const notify = notifier.claim()
    try {
      const { xid, unseen } = await appendToLog(run, schema, { messages, streams, notify })
      if (unseen > 0) await registry.confirm(streams.keys())
      if (notify === null) notifier.owe(xid)
      ticker.note(messages.length)
    } catch (error) {
      // What this process knows of the streams is not so any more: the next append registers them again.
      if (isUnregistered(error)) await registry.load()
      throw error
    }
  }
}

/** Client libraries wrap the server's error. */
function isUnregistered(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return sqlStateOf(error) === unregisteredState || isUnregistered(error.cause)
}
