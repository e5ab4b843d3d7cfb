import type { Clock } from './clock.ts'
import { type CronTimes, parseCron } from './cron.ts'
import { point } from './diagnostics.ts'
import { AcuseError } from './errors.ts'
import { derivedId } from './ids.ts'
import { Loop } from './loop.ts'
import type { OutgoingMessage } from './message.ts'
import { checkName } from './names.ts'
import { type OutgoingSettings, prepare } from './outgoing.ts'
import type { Due, Store } from './store.ts'

/** Appended in one transaction; more would hold it open for longer than a poll. */
const dispatchLimit = 500

/** A message published again and again. */
export interface CronEntry {
  readonly name: string
  readonly expression: string
  readonly times: CronTimes
  readonly message: (dueAt: Date) => OutgoingMessage
}

export interface CronOptions {
  /** Default UTC. */
  readonly timeZone?: string
}

/** Checks a cron entry. Throws `ACUSE_CONFIGURATION`. */
export function cronEntry(
  name: string,
  expression: string,
  message: (dueAt: Date) => OutgoingMessage,
  { timeZone = 'UTC' }: CronOptions,
): CronEntry {
  checkName('cron', name)
  return { name, expression: `${expression} ${timeZone}`, times: parseCron(expression, timeZone), message }
}

export interface SchedulerOptions<Tx> {
  readonly store: Store<Tx>
  readonly clock: Clock
  readonly outgoing: OutgoingSettings
  readonly crons: readonly CronEntry[]
  /** How long at most until what other processes scheduled is found, ms. */
  readonly pollMs: number
  readonly onError: (error: AcuseError) => void
}

/** Appends scheduled messages to the log when they are due, and fires cron entries. Any number may run; each message goes once. */
export class Scheduler<Tx> {
  readonly #options: SchedulerOptions<Tx>
  readonly #loops: readonly Loop[]

  constructor(options: SchedulerOptions<Tx>) {
    this.#options = options
    const { clock, store } = options
    const onError = (cause: unknown): void => {
      const error =
        cause instanceof AcuseError
          ? cause
          : new AcuseError(
              'ACUSE_STORE_UNAVAILABLE',
              `scheduler: store ${store.name} does not answer; it is tried again.`,
              { cause },
            )
      options.onError(error)
    }
    const rounds = [() => this.#dispatch(), ...options.crons.map((entry) => () => this.#fire(entry))]
    this.#loops = rounds.map((round) => new Loop({ clock, round, onError }))
  }

  async start(): Promise<void> {
    const { store, crons } = this.#options
    if (crons.length > 0) {
      const now = await store.schedule.now()
      for (const { name, expression, times } of crons) {
        await store.schedule.registerCron(name, expression, times.next(now))
      }
    }
    for (const loop of this.#loops) loop.start()
  }

  /** Something was scheduled in this process, and is committed. */
  wake(): void {
    this.#loops[0]?.wake()
  }

  /** Something was scheduled in this process, in a transaction that may still be open: it is looked for when it is due. */
  readonly expect = (due: Due): void => {
    const dueInMs = due.inMs ?? (due.at?.getTime() ?? 0) - this.#options.clock.now()
    this.#loops[0]?.wakeIn(Math.max(0, dueInMs))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()))
  }

  async #dispatch(): Promise<number> {
    point('scheduler.beforeDispatch')
    const { appended, nextDueInMs } = await this.#options.store.schedule.dispatch(dispatchLimit)
    point('scheduler.afterDispatch')
    return appended === dispatchLimit ? 0 : this.#waitFor(nextDueInMs)
  }

  /** After a time in which nobody ran, one message goes for all that was missed. */
  async #fire({ name, times, message }: CronEntry): Promise<number> {
    const { store, outgoing } = this.#options
    point('cron.beforeRun')
    const nextDueInMs = await store.schedule.runCron(name, async (dueAt, now) => {
      const id = derivedId('cron', outgoing.service, name, dueAt.toISOString())
      const prepared = await prepare(message(dueAt), { id }, undefined, outgoing)
      return { message: prepared.message, nextAt: times.next(now) }
    })
    point('cron.afterRun')
    return this.#waitFor(nextDueInMs)
  }

  /** Other processes schedule too; a poll finds what they left. */
  #waitFor(nextDueInMs: number | null): number {
    const { pollMs } = this.#options
    return Math.max(1, Math.min(nextDueInMs ?? pollMs, pollMs))
  }
}
