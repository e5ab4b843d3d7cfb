import { type AcuseError, type Clock, pause } from '@acuse/core'
import type { Channel } from 'amqplib'
import { asAcuseError } from './errors.ts'
import { lastWords } from './last-words.ts'

const firstPauseMs = 50
const longestPauseMs = 5_000

export interface KeptChannelOptions<C extends Channel> {
  /** What it is for, as errors say it. */
  readonly what: string
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /** Opens a channel on the connection of the moment; waits while there is none. */
  readonly create: () => Promise<C>
  /** Makes a new channel ready: declares and consumes. */
  readonly prepare: (channel: C) => Promise<void>
  /** It is gone, and with it all that came over it. Resolves when another one may be opened. */
  readonly onLost: (reason: AcuseError) => Promise<void> | void
}

interface Opened {
  /** Resolves when it is closed, with what closed it. */
  readonly closed: Promise<Error | undefined>
}

/** A channel that is opened again, and made ready, whenever it or its connection is lost. */
export class KeptChannel<C extends Channel> {
  readonly #options: KeptChannelOptions<C>
  readonly #stopping = new AbortController()
  #current: C | undefined
  #failure: AcuseError | undefined
  #failures = 0

  constructor(options: KeptChannelOptions<C>) {
    this.#options = options
  }

  /** The channel while it is ready. */
  get current(): C | undefined {
    return this.#current
  }

  /** Why it is not ready, or was not the last time. */
  get failure(): AcuseError | undefined {
    return this.#failure
  }

  /** Opens it for the first time; from then on it comes back by itself. Rejects when it cannot be opened, and stays closed. */
  async start(): Promise<void> {
    void this.#keep(await this.#open())
  }

  /** Lets it go for good. Unless it is gone already it is closed after what was sent on it. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const channel = this.#current
    this.#current = undefined
    if (channel !== undefined) await lastWords(this.#options.clock, channel.close())
  }

  async #open(): Promise<Opened> {
    const { create, prepare, what } = this.#options
    const channel = await create()
    const closed = closing(channel)
    try {
      await prepare(channel)
    } catch (error) {
      void channel.close().catch(() => undefined)
      throw asAcuseError(error, what)
    }
    this.#current = channel
    if (this.#stopping.signal.aborted) await this.stop()
    return { closed }
  }

  async #keep(first: Opened): Promise<void> {
    const { clock, onLost } = this.#options
    let opened: Opened | undefined = first
    while (!this.#stopping.signal.aborted) {
      try {
        if (opened !== undefined) {
          const reason = await opened.closed
          this.#current = undefined
          opened = undefined
          if (this.#stopping.signal.aborted) return
          const lost = this.#tell(reason ?? new Error('the channel was closed'))
          await onLost(lost)
        }
        opened = await this.#open()
        this.#failures = 0
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        this.#tell(error)
        const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(this.#failures++, 10), longestPauseMs)
        await pause(clock, pauseMs, this.#stopping.signal)
      }
    }
  }

  #tell(error: unknown): AcuseError {
    const { what, onError } = this.#options
    this.#failure = asAcuseError(error, what)
    onError(this.#failure)
    return this.#failure
  }
}

function closing(channel: Channel): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let reason: Error | undefined
    channel.on('error', (error: Error) => {
      reason = error
    })
    channel.on('close', () => resolve(reason))
  })
}
