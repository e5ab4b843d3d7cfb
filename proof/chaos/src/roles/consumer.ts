import { setTimeout as sleep } from 'node:timers/promises'
import {
  createBus,
  deadLetter,
  drainOnSignals,
  exponential,
  type GroupOptions,
  type Message,
  type Outcome,
  type TransactionContext,
} from '@acuse/core'
import type { PoolClient } from 'pg'
import { Call, type Fate, FlowClosed, type Keyed, type Kind, Leap, Note, Step, Tick } from '../messages.ts'
import { createRandom } from '../random.ts'
import { busOptions } from './bus-options.ts'
import { transportNamed } from '../transports/transports.ts'
import { openPool } from './database.ts'
import { writeEffect, writeEffects } from './effects.ts'
import { serveParent, startUntilUp, tellParent } from './parent.ts'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

/** Applies messages in one of the two groups. Group `a` makes calls by an external handler, group `b` takes notes in batches. */
export async function runConsumer(config: WorkerConfig, write: WriteLine): Promise<void> {
  const { group, plan } = config
  const { concurrency } = plan.settings
  const pool = openPool(config, concurrency + 3, write)
  const handling = new Handling(config)
  const bus = await startUntilUp(() => {
    const made = createBus(busOptions(config, `chaos-${group}`, pool))
    const on = made.group(
      group,
      groupOptions(config, (message, context) => handling.inTransaction(message, context)),
    )
    on.onBatch(Step, (messages, { tx }) => handling.applyBatch(messages, tx), { most: mostInBatch })
    on.on(Leap, (message, { tx, attempt }) => handling.apply(message, 'step', message.data, tx, attempt))
    on.on(Tick, (message, { tx, attempt }) => handling.write(message, 'tick', tx, attempt, null))
    on.on(FlowClosed, (message, { tx, attempt }) =>
      handling.write(message, 'closed', tx, attempt, message.data.sum, message.data.flow),
    )
    if (group === 'a') {
      on.on(Note, (message, { tx, attempt }) => handling.write(message, 'note', tx, attempt, null))
      on.onExternal(Call, (message, { attempt }) => handling.call(message.data.fate, attempt))
    } else {
      on.onBatch(Note, async (messages, { tx }) => {
        for (const message of messages) await handling.write(message, 'note', tx, 1, null)
      })
      on.on(Call, (message, { tx, attempt }) => handling.apply(message, 'call', message.data, tx, attempt))
    }
    return made
  }, write)
  drainOnSignals(bus, { signals: ['SIGTERM'], deadlineMs: 10_000 })
  serveParent(() => bus, write, { onCure: () => handling.cure(), onQuiet: () => undefined })
  tellParent({ answer: 'ready' })
}

const mostInBatch = 25

/** What every group of the run is set to; those of the sagas too. */
export function groupOptions(
  { plan, transport }: Pick<WorkerConfig, 'plan' | 'transport'>,
  inTransaction: (message: Message, context: TransactionContext<PoolClient>) => Promise<void>,
): GroupOptions<PoolClient> {
  const { concurrency, prefetch, parkedPerKey, leaseMs, sharedTransaction, attempts, retryBaseMs, retryMaxMs } =
    plan.settings
  return {
    concurrency,
    prefetch,
    parkedPerKey,
    leaseMs,
    sharedTransaction,
    retry: exponential({ attempts, baseMs: retryBaseMs, maxMs: retryMaxMs }),
    timeoutMs: 20_000,
    from: transportNamed(transport).from,
    inTransaction,
  }
}

/** The handlers' own work: to fail as the message says, or to write its effect. */
class Handling {
  readonly #config: WorkerConfig
  readonly #random: ReturnType<typeof createRandom>
  #cured = false
  /** A batch is not told its attempts: what failed how often here. */
  readonly #failures = new Map<string, number>()

  constructor(config: WorkerConfig) {
    this.#config = config
    this.#random = createRandom(config.seed, `${config.name}/${config.incarnation}`)
  }

  /** From now on nothing fails, and effects belong to the second round. */
  cure(): void {
    this.#cured = true
  }

  async apply(message: Message, kind: Kind, keyed: Keyed, tx: PoolClient, attempt: number): Promise<Outcome | void> {
    await this.#pause()
    const refused = this.#fail(keyed.fate, attempt)
    if (refused !== undefined) return refused
    const { key, sequence } = keyed
    await writeEffect(tx, { ...this.#base(message, kind, attempt), key, sequence })
    return undefined
  }

  async applyBatch(messages: readonly Message<Keyed>[], tx: PoolClient): Promise<void> {
    await this.#pause()
    for (const { id, data } of messages) {
      const attempt = (this.#failures.get(id) ?? 0) + 1
      // Counted before it fails: a batch is halved until what fails is alone, and that one counts once.
      if (messages.length === 1) this.#failures.set(id, attempt)
      if (this.#fail(data.fate, attempt) !== undefined) throw new Error('the handler refuses it')
    }
    await writeEffects(
      tx,
      messages.map((message) => {
        const { key, sequence } = message.data
        return { ...this.#base(message, 'step', 1), key, sequence }
      }),
    )
  }

  async write(
    message: Message,
    kind: Kind,
    tx: PoolClient,
    attempt: number,
    amount: number | null,
    key: string | null = null,
  ): Promise<void> {
    const base = this.#base(message, kind, attempt)
    await writeEffect(tx, { ...base, key, sequence: null, ...(amount === null ? {} : { amount }) })
  }

  /** The world outside takes its time. */
  async call(fate: Fate, attempt: number): Promise<Outcome | void> {
    await sleep(this.#random.whole(1, 40))
    return this.#fail(fate, attempt)
  }

  /** An external handler has no transaction: its effect is written in the one that ends it. */
  async inTransaction(message: Message, { tx, attempt }: TransactionContext<PoolClient>): Promise<void> {
    if (this.#config.group !== 'a' || message.type !== Call.name) return
    const { key, sequence } = message.data as Keyed
    await writeEffect(tx, { ...this.#base(message, 'call', attempt), key, sequence })
  }

  async #pause(): Promise<void> {
    const { handlerPauseMs, handlerPauseRate } = this.#config.plan.workload
    if (this.#random.chance(handlerPauseRate)) await sleep(this.#random.whole(1, handlerPauseMs))
  }

  #fail(fate: Fate, attempt: number): Outcome | undefined {
    if (this.#cured) return undefined
    if (fate === 'flaky' && attempt <= 2) throw new Error(`it fails twice, and this is attempt ${attempt}`)
    if (fate === 'poison') throw new Error('it always fails')
    return fate === 'refused' ? deadLetter('the handler refuses it') : undefined
  }

  #base(
    message: Message,
    kind: Kind,
    attempt: number,
  ): Pick<Parameters<typeof writeEffect>[1], 'group' | 'message' | 'kind' | 'attempt' | 'process' | 'round'> {
    const { group, name } = this.#config
    return { group, message, kind, attempt, process: name, round: this.#cured ? 1 : 0 }
  }
}
