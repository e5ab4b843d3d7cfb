import assert from 'node:assert/strict'
import { type Claimed, pause, type Store, systemClock, type WireMessage } from '@acuse/core'
import { eventually } from '../eventually.ts'
import { UnsupportedPromise } from './case.ts'
import { Collector } from './collector.ts'
import { labelOf, partitions, uniqueName } from './messages.ts'

/** What a store's author gives the suite: an empty store, and its time. */
export interface StoreHarness<Tx> {
  /** Opens the store once more on the same database, as another process does. A case holds up to four transactions at once. */
  open(instance: string): Promise<Store<Tx>>
  /** What users could mistake for a transaction: the pool, the data source. */
  readonly outside: unknown
  /** Writes a row of the test's own within the transaction. */
  write(tx: Tx, id: string, value: string): Promise<void>
  /** Reads it as committed. */
  read(id: string): Promise<string | undefined>
  /** Makes `ms` pass by the database's clock: a virtual clock, moving every stored moment into the past, or really waiting. */
  advance(ms: number): Promise<void>
  /** Leases and delays of the cases are made of this; default 60,000. A harness that really waits says some hundred. */
  readonly unitMs?: number
  /** Lets `ms` of the test's own time pass; default: the machine's clock. */
  wait?(ms: number): Promise<void>
  dispose(): Promise<void>
}

export interface StoreSuiteOptions {
  /** How long to wait for what must come; default 15,000. */
  readonly patienceMs?: number
  /** How long nothing must come before it counts as nothing; default 300. */
  readonly quietMs?: number
  /** Runs cases beside each other; each has a store of its own, so only for servers, not for a virtual clock. Default: one after the other. */
  readonly concurrent?: boolean
  /** Bound on the whole of one case in real time; default 120,000. */
  readonly limitMs?: number
}

/** One case's own stream, group, and everything it opened. */
export class StoreWorld<Tx> {
  readonly stream: string = uniqueName('stream')
  readonly group: string = uniqueName('group')
  readonly harness: StoreHarness<Tx>
  /** The case's unit of time. */
  readonly unitMs: number
  readonly #options: StoreSuiteOptions
  readonly #stores: Store<Tx>[] = []

  constructor(harness: StoreHarness<Tx>, options: StoreSuiteOptions = {}) {
    this.harness = harness
    this.unitMs = harness.unitMs ?? 60_000
    this.#options = options
  }

  async open(name = 'first'): Promise<Store<Tx>> {
    const store = await this.harness.open(uniqueName(name))
    this.#stores.push(store)
    return store
  }

  require(supported: boolean, promise: string): void {
    if (!supported) throw new UnsupportedPromise(promise)
  }

  /** Moves the database's clock by this many units. */
  advance(units: number): Promise<void> {
    return this.harness.advance(units * this.unitMs)
  }

  /** Claims with a lease of one unit. */
  async claim(
    store: Store<Tx>,
    options: { crashed?: boolean; limit?: number; group?: string } = {},
  ): Promise<readonly Claimed[]> {
    const { crashed = false, limit = 100, group = this.group } = options
    return (await store.parked.claim(group, { limit, leaseMs: this.unitMs, crashed })).claimed
  }

  /** Labels of what is claimable now. */
  async claimLabels(
    store: Store<Tx>,
    options: { crashed?: boolean; limit?: number; group?: string } = {},
  ): Promise<string[]> {
    return (await this.claim(store, options)).map(({ message }) => labelOf(message))
  }

  /** The labels in the log, in order, once at least `count` are there and no more come. */
  async logged(store: Store<Tx>, count: number): Promise<string[]> {
    const got = new Collector()
    const subscription = await store.log.consume(
      {
        group: uniqueName('reader'),
        streams: [{ name: this.stream, partitions }],
        types: 'all',
        from: 'earliest',
        prefetch: 1_000,
      },
      got,
    )
    try {
      await this.eventually(() =>
        assert.ok(got.deliveries.length >= count, `${got.labels().join(' ')} of ${count} came`),
      )
      await this.quiet()
      return got.labels()
    } finally {
      await subscription.stop(5_000)
    }
  }

  /** A transaction that stays open until it is told how to end. */
  async hold<R>(store: Store<Tx>, work: (tx: Tx) => Promise<R>): Promise<HeldTransaction<R>> {
    const begun = Promise.withResolvers<R>()
    const end = Promise.withResolvers<'commit' | 'roll back'>()
    const done = store
      .transaction(async (tx) => {
        try {
          begun.resolve(await work(tx))
        } catch (error) {
          begun.reject(error)
          throw error
        }
        if ((await end.promise) === 'roll back') throw new RolledBack()
      })
      .catch((error: unknown) => {
        if (!(error instanceof RolledBack)) throw error
      })
    done.catch(() => undefined)
    const result = await begun.promise
    const finish = async (how: 'commit' | 'roll back'): Promise<void> => {
      end.resolve(how)
      await done
    }
    return { result, commit: () => finish('commit'), rollBack: () => finish('roll back') }
  }

  /** Fails if `work` settles before it should: it has to wait for something. */
  async waits(work: Promise<unknown>, what: string): Promise<void> {
    let settled = false
    const note = (): void => {
      settled = true
    }
    work.then(note, note)
    await this.quiet()
    assert.equal(settled, false, `${what} did not wait`)
  }

  async wait(ms: number): Promise<void> {
    await (this.harness.wait?.(ms) ?? pause(systemClock, ms))
  }

  quiet(): Promise<void> {
    return this.wait(this.#options.quietMs ?? 300)
  }

  eventually<T>(check: () => T | Promise<T>): Promise<T> {
    return eventually(check, { timeoutMs: this.#options.patienceMs ?? 15_000, wait: (ms) => this.wait(ms) })
  }

  /** Parks what failed once and is due in this many units. */
  async park(
    store: Store<Tx>,
    message: WireMessage,
    options: { dueInUnits?: number; ordered?: boolean; attempts?: number } = {},
  ): Promise<void> {
    const parked = await store.transaction((tx) =>
      store.parked.park(tx, this.group, {
        message,
        reason: 'retry',
        ordered: options.ordered ?? true,
        attempts: options.attempts ?? 1,
        dueInMs: (options.dueInUnits ?? 0) * this.unitMs,
        error: { code: null, name: 'Error', message: 'failed', stack: null },
      }),
    )
    assert.equal(parked, 'parked')
  }

  async parkBehind(store: Store<Tx>, message: WireMessage, limit = 100): Promise<string> {
    return store.transaction((tx) => store.parked.parkBehind(tx, this.group, message, limit))
  }

  /** Completes a claim in a transaction of its own, rolled back where it was fenced, as the port asks. */
  async complete(store: Store<Tx>, claim: Claimed): Promise<boolean> {
    try {
      return await store.transaction(async (tx) => {
        if (!(await store.parked.complete(tx, this.group, claim))) throw new RolledBack()
        return true
      })
    } catch (error) {
      if (error instanceof RolledBack) return false
      throw error
    }
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#stores.map((store) => store[Symbol.asyncDispose]()))
    await this.harness.dispose()
  }
}

export interface HeldTransaction<R> {
  readonly result: R
  commit(): Promise<void>
  rollBack(): Promise<void>
}

/** Ends a transaction of the suite's own on purpose. */
export class RolledBack extends Error {
  constructor() {
    super('rolled back on purpose')
    this.name = 'RolledBack'
  }
}

/** Runs `work` in a transaction that is rolled back, and gives what it gave. */
export async function inRolledBack<Tx, R>(store: Store<Tx>, work: (tx: Tx) => Promise<R>): Promise<R> {
  let result: { readonly value: R } | undefined
  try {
    await store.transaction(async (tx) => {
      result = { value: await work(tx) }
      throw new RolledBack()
    })
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
  }
  assert.ok(result, 'the transaction committed although its work rejected')
  return result.value
}
