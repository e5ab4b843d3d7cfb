import assert from 'node:assert/strict'
import {
  type AcuseError,
  type Bus,
  createBus,
  type MessageType,
  type RelayState,
  stream,
  type StandardSchema,
  systemClock,
  type TransportFactory,
} from '@acuse/core'
import { eventually } from '../eventually.ts'
import { createMemoryDatabase } from '../memory-database.ts'
import { memoryStore } from '../memory-store.ts'
import type { MemoryTx } from '../memory-transaction.ts'
import { UnsupportedPromise } from './case.ts'
import { partitions, uniqueName } from './messages.ts'

/** Where something is to be wrong. */
export interface BrokenPlace {
  readonly stream: string
  /** The group that reads it. */
  readonly group: string
  /** Streams that have to go on meanwhile. */
  readonly spared: readonly string[]
  /** Stops the group, as where what it reads has to be left alone; and starts it again. */
  readonly stopGroup: () => Promise<void>
  readonly startGroup: () => Promise<void>
}

/** Breaks a place on the broker; gives what mends it. */
export type Break = (place: BrokenPlace) => Promise<() => Promise<void>>

export interface Limit {
  /** A body of so many bytes is more than the server takes. */
  readonly tooMany: number
  /** What the dead letter has to say about it: the setting to raise. */
  readonly names: RegExp
  /** Raises the limit. */
  readonly raise: () => Promise<void>
}

/** What a transport's author gives the suite: the transport on a real server, and how things go wrong on it. What there is no such thing as is left out, and printed as unsupported. */
export interface RelayHarness {
  /** The transport as the publishing service opens it: for where that one is to be forbidden something. */
  readonly publisher: TransportFactory
  readonly consumer: TransportFactory
  /** Its user may not publish to the stream. */
  readonly forbid?: Break
  /** What holds the stream's messages is full and takes no more. */
  readonly fill?: Break
  /** Whether a full server takes nothing at all, of no stream. */
  readonly fullIsWhole?: boolean
  /** What holds the stream's messages is gone, or is something else. */
  readonly misroute?: Break
  /** Lets the stream take less than the bus does. */
  readonly limit?: (stream: string) => Promise<Limit>
  dispose(): Promise<void>
}

export interface RelaySuiteOptions {
  /** How long to wait for what must come; default 30,000. */
  readonly patienceMs?: number
  /** Bound on the whole of one case in real time; default 120,000. */
  readonly limitMs?: number
}

interface Noted {
  readonly key: string
  readonly n: number
  readonly filling: string
}

const schema: StandardSchema<Noted> = {
  // What is published here is right.
  '~standard': { version: 1, vendor: 'acuse', validate: (value) => ({ value: value as Noted }) },
}

/** One stream, and the service that reads it. */
export class RelayedStream {
  readonly name: string
  readonly group: string
  /** What was applied, as `a1`, in its order. */
  readonly seen: string[] = []
  readonly errors: AcuseError[] = []
  readonly #type: MessageType<Noted>
  readonly #store = memoryStore(createMemoryDatabase(systemClock))
  readonly #transport: TransportFactory
  #bus: Bus<MemoryTx> | undefined

  constructor(name: string, transport: TransportFactory, other?: RelayedStream) {
    this.name = other?.name ?? uniqueName(name)
    this.group = uniqueName(`reader-${name}`)
    this.#transport = transport
    this.#type = stream(this.name, { partitions }).message('relay.noted', { schema, key: ({ key }) => key })
  }

  /** A message of one key; with `bytes` of body or somewhat more. */
  message(key: string, n: number, bytes = 0): ReturnType<MessageType<Noted>> {
    return this.#type({ key, n, filling: 'x'.repeat(bytes) })
  }

  seenOf(key: string): number[] {
    return this.seen.filter((one) => one.startsWith(key)).map((one) => Number(one.slice(key.length)))
  }

  async start(): Promise<void> {
    this.#bus = createBus({
      service: this.group,
      store: this.#store,
      transport: this.#transport,
      relay: 'elsewhere',
      maxMessageBytes: 10_000_000,
      onError: (error) => void this.errors.push(error),
    })
    this.#bus.group(this.group).on(this.#type, ({ data }) => void this.seen.push(`${data.key}${data.n}`))
    await this.#bus.start()
    await eventually(async () => assert.ok((await this.#bus?.state())?.connected, `${this.group} is not connected`), {
      timeoutMs: 30_000,
    })
  }

  async stop(): Promise<void> {
    await this.#bus?.stop({ deadlineMs: 5_000 })
    this.#bus = undefined
  }
}

/** One case's publishing service, and the streams it publishes to. */
export class RelayWorld {
  readonly harness: RelayHarness
  readonly bus: Bus<MemoryTx>
  readonly errors: AcuseError[] = []
  readonly #options: RelaySuiteOptions
  readonly #streams: RelayedStream[] = []

  constructor(harness: RelayHarness, options: RelaySuiteOptions) {
    this.harness = harness
    this.#options = options
    this.bus = createBus({
      service: uniqueName('publisher'),
      store: memoryStore(createMemoryDatabase(systemClock)),
      transport: harness.publisher,
      maxMessageBytes: 10_000_000,
      onError: (error) => void this.errors.push(error),
    })
  }

  /** Starts the publishing service, and a group for each stream. */
  async begin(...names: readonly string[]): Promise<RelayedStream[]> {
    for (const name of names) await this.add(new RelayedStream(name, this.harness.consumer))
    await this.bus.start()
    return this.#streams
  }

  async add(one: RelayedStream): Promise<RelayedStream> {
    this.#streams.push(one)
    await one.start()
    return one
  }

  /** Publishes in one transaction. */
  async publish(messages: readonly ReturnType<MessageType<Noted>>[]): Promise<void> {
    await this.bus.transaction(async (_tx, publish) => {
      for (const message of messages) publish(message)
    })
  }

  async relayState(): Promise<RelayState> {
    const { relay } = await this.bus.state()
    assert.ok(relay, 'it does not relay')
    return relay
  }

  /** Waits until nothing waits any more; nothing of it may have become a dead letter. */
  async drained(): Promise<void> {
    await this.eventually(async () => {
      const { unconfirmed, stalled, parked } = await this.relayState()
      assert.deepEqual({ unconfirmed, stalled, parked }, { unconfirmed: 0, stalled: [], parked: {} })
    })
    assert.deepEqual(await this.bus.deadLetters.list(), [])
  }

  require<T>(given: T | undefined, promise: string): T {
    if (given === undefined) throw new UnsupportedPromise(promise)
    return given
  }

  eventually<T>(check: () => T | Promise<T>, timeoutMs: number = this.#options.patienceMs ?? 30_000): Promise<T> {
    return eventually(check, { timeoutMs, everyMs: 50 })
  }

  async end(): Promise<void> {
    await this.bus.stop({ deadlineMs: 2_000 }).catch(() => undefined)
    await Promise.allSettled(this.#streams.map((one) => one.stop()))
    await this.harness.dispose()
  }
}
