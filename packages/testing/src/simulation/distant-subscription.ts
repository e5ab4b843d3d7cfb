import {
  AcuseError,
  type Delivery,
  pause,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
} from '@acuse/core'
import type { Link } from './link.ts'

/** After this long without a sign of life a server gives a consumer's partitions to others. */
export const sessionMs = 15_000
/** Between two attempts to connect again. */
const reconnectMs = 1_000

export interface DistantSubscriptionOptions {
  readonly transport: Transport
  readonly link: Link
  readonly source: Source
  readonly sink: Sink
  readonly onError: (error: AcuseError) => void
  /** Ends the server's side of a connection, as when it is lost. */
  readonly crash: (subscription: Subscription) => void
}

/** What a broker holds for one connection; ends with it. */
interface Session {
  readonly subscription: Subscription
  /** A live session's deliveries may be settled. */
  live: boolean
}

/**
 * A subscription that survives its connections. When one is lost, the server takes what it held for begun and gives it out again,
 * after `sessionMs` or when the consumer connects again; the consumer is told to let go before it gets anything new.
 */
export class DistantSubscription implements Subscription {
  readonly #options: DistantSubscriptionOptions
  /** Partitions something was delivered from. */
  readonly #held = new Set<string>()
  #session: Session | undefined
  #paused = false
  #stopped: Promise<void> | undefined
  #reconnecting = false

  constructor(options: DistantSubscriptionOptions) {
    this.#options = options
    const { link } = options
    link.onCut(() => this.#onLost())
    link.onExpire(() => this.#expire())
    link.process.whenCrashed(() => this.#endLater(this.#session))
  }

  async connect(): Promise<void> {
    const { link } = this.#options
    await link.call('consume', async () => {
      this.#end(this.#session)
      this.#session = await this.#open()
    })
    if (this.#paused) this.#session?.subscription.pause()
  }

  pause(): void {
    this.#paused = true
    this.#options.link.send('server', () => {
      if (this.#paused) this.#session?.subscription.pause()
    })
  }

  resume(): void {
    this.#paused = false
    this.#options.link.send('server', () => {
      if (!this.#paused) this.#session?.subscription.resume()
    })
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs)
    return this.#stopped
  }

  /** The process has stood still for longer than its session lasts. */
  #expire(): void {
    this.#end(this.#session)
    void this.#reconnect()
  }

  async #open(): Promise<Session> {
    const { transport, source, link } = this.#options
    const epoch = link.epoch
    const subscription = await transport.consume(source, {
      deliver: (deliveries) =>
        link.send('client', () => {
          if (session.live) this.#hand(session, deliveries)
        }),
      revoke: (partition) => this.#revoke(partition, epoch),
    })
    const session: Session = { subscription, live: true }
    // Its request was on its way when it crashed.
    if (link.process.state === 'crashed') this.#endLater(session)
    return session
  }

  #hand(session: Session, deliveries: readonly Delivery[]): void {
    const { link, sink } = this.#options
    for (const { partition } of deliveries) this.#held.add(partition)
    const settle = (outcome: () => void): void =>
      link.send('server', () => {
        if (session.live) outcome()
      })
    sink.deliver(
      deliveries.map((delivery) => ({
        message: delivery.message,
        partition: delivery.partition,
        redelivered: delivery.redelivered,
        ack: () => settle(() => delivery.ack()),
        release: () => settle(() => delivery.release()),
      })),
    )
  }

  /** The server asks for a partition; never answered if the connection is lost meanwhile, and the server waits as long as it likes. */
  #revoke(partition: string, epoch: number): Promise<void> {
    const { link, sink } = this.#options
    return new Promise((resolve) => {
      link.send('client', () => {
        void sink.revoke(partition).then(() => {
          this.#held.delete(partition)
          if (link.epoch === epoch) link.send('server', resolve)
        })
      })
    })
  }

  #onLost(): void {
    this.#endLater(this.#session)
    void this.#reconnect()
  }

  /** Lets go of everything, then connects again, as often as it takes. */
  async #reconnect(): Promise<void> {
    const { link, sink, onError } = this.#options
    if (this.#reconnecting || this.#stopped !== undefined) return
    this.#reconnecting = true
    await pause(link.process.clock, reconnectMs)
    for (const partition of [...this.#held]) await sink.revoke(partition)
    this.#held.clear()
    while (this.#stopped === undefined) {
      const { epoch } = link
      try {
        await this.connect()
        if (link.epoch === epoch) break
      } catch (error) {
        if (error instanceof AcuseError) onError(error)
      }
      await pause(link.process.clock, reconnectMs)
    }
    this.#reconnecting = false
  }

  #endLater(session: Session | undefined): void {
    this.#options.link.timeline.after(sessionMs, () => this.#end(session))
  }

  /** The server forgets the session: whatever it held may have been begun. */
  #end(session: Session | undefined): void {
    if (session?.live !== true) return
    session.live = false
    this.#options.crash(session.subscription)
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { link } = this.#options
    const session = this.#session
    if (session === undefined) return
    const letGo = link.call('stop', async () => {
      if (session.live) await session.subscription.stop(deadlineMs)
    })
    const over = new AbortController()
    await Promise.race([
      letGo.catch(() => this.#endLater(session)).finally(() => over.abort()),
      pause(link.process.clock, deadlineMs, over.signal),
    ])
  }
}
