import { setImmediate as nextTurn } from 'node:timers/promises'
import { AcuseError, point, type PublishResult, type WireMessage } from '@acuse/core'
import { sqlStateOf } from '../db-errors.ts'
import type { RunQuery } from '../db.ts'
import { refusal, statementsOf } from './append.ts'
import type { Appender } from './appender.ts'
import { asUnavailable } from './report.ts'

/** A message waiting for its place in the log. */
interface Pending {
  readonly message: WireMessage
  readonly body: Uint8Array
  /** Its place in its batch. */
  readonly index: number
  /** By key, the place of the first message of its batch that failed: nothing after it may be delivered. */
  readonly failedAt: Map<string, number>
  readonly settle: (result: PublishResult) => void
  settled: boolean
}

const delivered: PublishResult = { state: 'delivered' }

/**
 * Publishes to the log in transactions of its own. One statement at a time, so that messages of a key keep the order in which
 * `publish` was called; what comes meanwhile goes together into the next.
 */
export class Publisher {
  readonly #appender: Appender
  readonly #query: RunQuery
  readonly #maxMessageBytes: number
  #queue: Pending[] = []
  #draining: Promise<void> | undefined

  constructor(appender: Appender, query: RunQuery, maxMessageBytes: number) {
    this.#appender = appender
    this.#query = query
    this.#maxMessageBytes = maxMessageBytes
  }

  /** One result a message, in order. Settles when `signal` aborts: what is not confirmed then has failed, and may be tried again. */
  publish(batch: readonly WireMessage[], signal: AbortSignal): Promise<readonly PublishResult[]> {
    return new Promise((resolve) => {
      const results: PublishResult[] = []
      const failedAt = new Map<string, number>()
      let open = batch.length
      const pending = batch.map((message, index): Pending => {
        const one: Pending = {
          message,
          body: message.body,
          index,
          failedAt,
          settled: false,
          settle: (result) => {
            if (one.settled) return
            one.settled = true
            if (result.state === 'failed') holdBackAfter(one)
            results[index] = result
            open--
            if (open === 0) finish()
          },
        }
        return one
      })
      const abort = (): void => {
        for (const one of pending) one.settle(failed(timedOut(one.message)))
      }
      const finish = (): void => {
        signal.removeEventListener('abort', abort)
        resolve(results)
      }
      if (pending.length === 0) return finish()
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      for (const one of pending) {
        const refused = refusal(one.message, this.#maxMessageBytes)
        if (refused !== undefined) one.settle(failed(refused))
        else if (isHeld(one)) one.settle(failed(heldBack(one.message)))
        else this.#queue.push(one)
      }
      this.#draining ??= this.#drain()
    })
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    await this.#draining
  }

  async #drain(): Promise<void> {
    // What is published in the same turn goes into the same statement; also what those publish next who waited for the last one.
    await nextTurn()
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const statement of statementsOf(queue)) await this.#write(statement)
      await nextTurn()
    }
    this.#draining = undefined
  }

  async #write(pending: readonly Pending[]): Promise<void> {
    for (const one of pending) if (isHeld(one)) one.settle(failed(heldBack(one.message)))
    const statement = pending.filter(({ settled }) => !settled)
    if (statement.length === 0) return
    try {
      point('log.beforePublish')
      await this.#appender.append(
        this.#query,
        statement.map(({ message }) => message),
      )
      point('log.afterPublish')
      for (const { settle } of statement) settle(delivered)
    } catch (error) {
      if (!isRefused(error)) {
        const failure = failed(asUnavailable('publishing to the log', error))
        for (const { settle } of statement) settle(failure)
      } else if (statement.length === 1) {
        statement[0]?.settle(failed(refusedBy(error, statement[0].message)))
      } else {
        // One of them is what the database will not take; the others must not fail for it.
        for (const one of statement) await this.#write([one])
      }
    }
  }
}

/** Whether one of the messages is to blame: a data exception, a violated constraint, a limit, another partition count. */
function isRefused(error: unknown): boolean {
  if (error instanceof AcuseError) return !error.retryable
  return /^(22|23|54)/.test(sqlStateOf(error) ?? '')
}

function holdBackAfter({ message, index, failedAt }: Pending): void {
  if (message.key === null) return
  const key = keyOf(message)
  failedAt.set(key, Math.min(index, failedAt.get(key) ?? index))
}

function isHeld({ message, index, failedAt }: Pending): boolean {
  if (message.key === null || failedAt.size === 0) return false
  const first = failedAt.get(keyOf(message))
  return first !== undefined && first < index
}

/** Order is kept within a stream, a priority and a key. */
function keyOf({ stream, priority, key }: WireMessage): string {
  return JSON.stringify([stream, priority, key])
}

function heldBack({ id, type, key }: WireMessage): AcuseError {
  const text = `message ${id} (${type}) was not published: an earlier one of key ${key} in its batch was not.`
  return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', text)
}

function refusedBy(cause: unknown, { id, type }: WireMessage): AcuseError {
  if (cause instanceof AcuseError) return cause
  const text = `message ${id} (${type}): the database refuses it: ${cause instanceof Error ? cause.message : 'no reason given'}`
  return new AcuseError('ACUSE_UNENCODABLE', text, { cause })
}

function timedOut({ id, type }: WireMessage): AcuseError {
  return new AcuseError(
    'ACUSE_PUBLISH_TIMEOUT',
    `message ${id} (${type}) was not confirmed in time; it may or may not be in the log.`,
  )
}

function failed(error: AcuseError): PublishResult {
  return { state: 'failed', error }
}
