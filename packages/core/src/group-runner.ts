import { Breaker } from './breaker.ts'
import { ClaimKeeper } from './claims.ts'
import type { Clock } from './clock.ts'
import type { Codec } from './codec.ts'
import { Consumer } from './consumer.ts'
import { DeadLetterIntake } from './dead-letter-intake.ts'
import { tell } from './diagnostics.ts'
import type { AcuseError } from './errors.ts'
import type { GroupDeclaration } from './group.ts'
import type { OutgoingSettings } from './outgoing.ts'
import { ParkedRunner } from './parked-runner.ts'
import { Semaphore } from './semaphore.ts'
import type { Due, ParkReason, Store } from './store.ts'
import type { Transport, TransportContext } from './transport.ts'
import type { GroupRuntime } from './work.ts'

export interface GroupRunnerOptions<Tx> {
  readonly service: string
  readonly declaration: GroupDeclaration<Tx>
  readonly store: Store<Tx>
  readonly clock: Clock
  readonly codec: Codec
  readonly outgoing: OutgoingSettings
  readonly random: () => number
  readonly pollMs: number
  readonly onScheduled: (due: Due) => void
  readonly onError: (error: AcuseError) => void
}

export interface GroupState {
  readonly group: string
  readonly breaker: 'none' | 'closed' | 'open' | 'half-open'
  readonly parked: Readonly<Partial<Record<ParkReason, number>>>
}

/** One group at work: what is delivered, what is parked, and the leases of both. */
export class GroupRunner<Tx> {
  readonly #runtime: GroupRuntime<Tx>
  readonly #keeper: ClaimKeeper<Tx>
  readonly #consumer: Consumer<Tx>
  readonly #parked: ParkedRunner<Tx>
  readonly #deadLetters: DeadLetterIntake<Tx>
  readonly #deadline = new AbortController()

  constructor(options: GroupRunnerOptions<Tx>) {
    const { declaration, service, clock } = options
    const { settings } = declaration
    const breaker =
      settings.breaker === undefined
        ? undefined
        : new Breaker(`group ${declaration.name}`, {
            ...settings.breaker,
            counts: settings.breaker.trips,
            clock,
            onChange: (state) => this.#onBreaker(state),
          })
    this.#runtime = {
      ...options,
      service,
      codec: declaration.codec ?? options.codec,
      breaker,
      places: new Semaphore(settings.concurrency),
      deadline: this.#deadline.signal,
      onParked: (dueInMs) => this.#parked.wake(dueInMs),
    }
    this.#keeper = new ClaimKeeper(this.#runtime)
    this.#consumer = new Consumer(this.#runtime, this.#keeper)
    this.#parked = new ParkedRunner(this.#runtime, this.#keeper)
    this.#deadLetters = new DeadLetterIntake(this.#runtime)
  }

  /** Whether it waits for something beside the bus's transport. */
  get isForeign(): boolean {
    return this.#runtime.declaration.isForeign
  }

  /** Begins to consume; what was done in an earlier try stays. */
  async start(transport: Transport, context: TransportContext): Promise<void> {
    const { declaration } = this.#runtime
    await declaration.open(context)
    const { deadLetterPipe } = declaration
    if (deadLetterPipe !== undefined) await this.#deadLetters.start(deadLetterPipe)
    await this.#consumer.start(declaration.pipe(transport))
    this.#keeper.start()
    this.#parked.start()
  }

  /** Drains: begins nothing more, lets handlers finish, aborts those still running at the deadline. */
  async stop(deadlineMs: number, reason: AcuseError): Promise<void> {
    const cancel = this.#runtime.clock.after(deadlineMs, () => this.#deadline.abort(reason))
    await Promise.all([this.#consumer.stop(deadlineMs), this.#deadLetters.stop(deadlineMs), this.#parked.stop()])
    await this.#keeper.stop()
    cancel()
  }

  /** Lets go of what `start` opened. */
  close(): Promise<void> {
    return this.#runtime.declaration.close()
  }

  async state(): Promise<GroupState> {
    const { declaration, breaker, store } = this.#runtime
    const parked = await store.parked.counts(declaration.name)
    return { group: declaration.name, breaker: breaker?.state ?? 'none', parked }
  }

  /** Looks for parked messages now, after a replay. */
  wake(): void {
    this.#parked.wake()
  }

  #onBreaker(state: Breaker['state']): void {
    const { service, declaration } = this.#runtime
    tell('breaker', { service, group: declaration.name, state })
    if (state === 'open') {
      this.#consumer.pause()
      // What tripped it may be done by another process by then; without new deliveries nothing would be left to try.
      const { clock, breaker } = this.#runtime
      clock.after(breaker?.reopensInMs() ?? 0, () => this.#consumer.resume())
    }
    if (state === 'closed') {
      this.#consumer.resume()
      this.#parked.wake()
    }
  }
}
