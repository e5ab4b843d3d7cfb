import assert from 'node:assert/strict'
import {
  type Delivery,
  pause,
  type StartFrom,
  type Subscription,
  systemClock,
  type Transport,
  type WireMessage,
} from '@acuse/core'
import { eventually } from '../eventually.ts'
import { UnsupportedPromise } from './case.ts'
import { Collector } from './collector.ts'
import { partitions, uniqueName } from './messages.ts'

/** What a transport's author gives the suite: the transport on a real server, and what can happen to it. */
export interface TransportHarness {
  /** Opens the transport once more on the same server, as another process does. */
  open(instance: string): Promise<Transport>
  /** The process that owns `transport` dies without letting go: its connections break, nothing is flushed. */
  crash(transport: Transport): Promise<void>
  /** Stops the server as a power cut would and starts it again on its data. Without it that promise is printed as unsupported. */
  restartServer?(): Promise<void>
  /** What makes the server refuse this one message for good, e.g. a type it does not route or a body it does not take. Without it that promise is printed as unsupported. */
  refused?(message: WireMessage): WireMessage
  /** Lets `ms` pass; default: the machine's clock. */
  wait?(ms: number): Promise<void>
  /** The server's time; default: the machine's clock. */
  now?(): Date
  dispose(): Promise<void>
}

export interface TransportSuiteOptions {
  /** How long to wait for what must come, also after a crash, when a session has to run out first; default 15,000. */
  readonly patienceMs?: number
  /** How long nothing must come before it counts as nothing; default 300. */
  readonly quietMs?: number
  /** How long before a crash an ack must have been given to be stored; default 1,000. */
  readonly ackStoredMs?: number
  /** Runs cases beside each other, but for those that restart the server. Default: one after the other. */
  readonly concurrent?: boolean
  /** Bound on the whole of one case in real time; default 120,000. */
  readonly limitMs?: number
}

export interface ConsumeOptions {
  readonly group?: string
  readonly streams?: readonly string[]
  readonly types?: readonly string[] | 'all'
  readonly from?: StartFrom
  readonly prefetch?: number
  /** Keeps what comes unsettled until the case settles it; default: acks at once. */
  readonly hold?: boolean
}

/** A collector and its subscription. */
export interface Consumer {
  readonly got: Collector
  readonly subscription: Subscription
}

/** One case's own stream, group, and everything it opened. */
export class TransportWorld {
  readonly stream: string = uniqueName('stream')
  readonly group: string = uniqueName('group')
  readonly harness: TransportHarness
  readonly #options: TransportSuiteOptions
  readonly #transports = new Set<Transport>()
  readonly #consumers: Consumer[] = []

  constructor(harness: TransportHarness, options: TransportSuiteOptions = {}) {
    this.harness = harness
    this.#options = options
  }

  async open(name = 'first'): Promise<Transport> {
    const transport = await this.harness.open(uniqueName(name))
    this.#transports.add(transport)
    return transport
  }

  async crash(transport: Transport): Promise<void> {
    this.#transports.delete(transport)
    await this.harness.crash(transport)
  }

  /** Says by name what the transport does not promise; the case ends here. */
  require(supported: boolean, promise: string): void {
    if (!supported) throw new UnsupportedPromise(promise)
  }

  async consume(transport: Transport, options: ConsumeOptions = {}): Promise<Consumer> {
    const got = new Collector()
    if (options.hold === true) got.onDelivery = (): void => undefined
    const subscription = await transport.consume(
      {
        group: options.group ?? this.group,
        streams: (options.streams ?? [this.stream]).map((name) => ({ name, partitions })),
        types: options.types ?? 'all',
        from: options.from ?? 'now',
        prefetch: options.prefetch ?? 100,
      },
      got,
    )
    const consumer = { got, subscription }
    this.#consumers.push(consumer)
    return consumer
  }

  /** Publishes and expects each message to be confirmed. */
  async publish(transport: Transport, messages: readonly WireMessage[]): Promise<void> {
    const results = await transport.publish(messages, AbortSignal.timeout(60_000))
    assert.deepEqual(
      results.map((result) => (result.state === 'failed' ? result.error : result.state)),
      messages.map(() => 'delivered'),
    )
  }

  async wait(ms: number): Promise<void> {
    await (this.harness.wait?.(ms) ?? pause(systemClock, ms))
  }

  /** Waits long enough for what must not come. */
  quiet(): Promise<void> {
    return this.wait(this.#options.quietMs ?? 300)
  }

  /** Waits until acks that were given are surely stored. */
  acksStored(): Promise<void> {
    return this.wait(this.#options.ackStoredMs ?? 1_000)
  }

  eventually<T>(check: () => T | Promise<T>): Promise<T> {
    return eventually(check, { timeoutMs: this.#options.patienceMs ?? 15_000, wait: (ms) => this.wait(ms) })
  }

  /** Waits for exactly these labels, in this order, then for nothing more. */
  async expectLabels(got: Collector, labels: readonly string[], key?: string): Promise<void> {
    await this.eventually(() => assert.deepEqual(got.labels(key), labels))
    await this.quiet()
    assert.deepEqual(got.labels(key), labels)
  }

  /** Waits for these labels in any order, each once, then for nothing more. */
  async expectEach(consumers: readonly Collector[], labels: readonly string[]): Promise<void> {
    const all = (): string[] => consumers.flatMap((got) => got.labels()).toSorted()
    const expected = labels.toSorted()
    await this.eventually(() =>
      assert.ok(all().length >= expected.length, `${all().length} of ${expected.length} came`),
    )
    await this.quiet()
    assert.deepEqual(all(), expected)
  }

  /** Waits until `count` came, and gives them. */
  async take(got: Collector, count: number): Promise<readonly Delivery[]> {
    await this.eventually(() =>
      assert.ok(got.deliveries.length >= count, `${got.deliveries.length} of ${count} came: ${got.labels().join(' ')}`),
    )
    return got.deliveries.slice(0, count)
  }

  /** Fails unless `work` settles while at most `ms` pass. */
  async settles<R>(work: Promise<R>, ms: number, what: string): Promise<R> {
    let settled = false
    const watched = work.finally(() => {
      settled = true
    })
    watched.catch(() => undefined)
    const check = (): void => assert.ok(settled, `${what} has not settled`)
    await eventually(check, { timeoutMs: ms, wait: (stepMs) => this.wait(stepMs) })
    return watched
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#consumers.map(({ subscription }) => this.#stop(subscription)))
    await Promise.allSettled([...this.#transports].map((transport) => transport[Symbol.asyncDispose]()))
    await this.harness.dispose()
  }

  #stop(subscription: Subscription): Promise<void> {
    return subscription.stop(0)
  }
}
