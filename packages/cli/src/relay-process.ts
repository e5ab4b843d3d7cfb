import {
  AcuseError,
  ConfigurationError,
  listen,
  Loop,
  pause,
  Relay,
  type StopOptions,
  type Store,
  systemClock,
  type Transport,
} from '@acuse/core'

export interface RelayProcessOptions {
  readonly service: string
  readonly openStore: () => Promise<Store<unknown>>
  readonly openTransport: () => Promise<Transport>
  readonly onProgress: (progress: RelayProgress) => void
  /** Told of what is tried again. */
  readonly onError: (error: AcuseError) => void
}

export interface RelayProgress {
  readonly delivered: number
  readonly refused: number
}

const progressEveryMs = 5_000
const firstPauseMs = 250
const longestPauseMs = 10_000

/** A relay on its own: a store, a transport, and what is between them. */
export class RelayProcess {
  readonly #options: RelayProcessOptions
  readonly #stopping = new AbortController()
  readonly #opened: AsyncDisposable[] = []
  readonly #progress: Loop
  #relay: Relay<unknown> | undefined
  #starting: Promise<void> | undefined
  #delivered = 0
  #refused = 0
  #told = 0

  constructor(options: RelayProcessOptions) {
    this.#options = options
    this.#progress = new Loop({ clock: systemClock, round: () => this.#tell(), onError: () => undefined })
  }

  /** Whether it got as far as relaying. */
  get relaying(): boolean {
    return this.#relay !== undefined && !this.#stopping.signal.aborted
  }

  get progress(): RelayProgress {
    return { delivered: this.#delivered, refused: this.#refused }
  }

  /** Resolves when it relays. What is down is tried again until `stop`; what is wrong rejects. */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Finishes the batches in flight, lets go of the log and closes. */
  async stop({ deadlineMs = 30_000 }: StopOptions = {}): Promise<void> {
    this.#stopping.abort()
    await this.#starting?.catch(() => undefined)
    await this.#relay?.stop(deadlineMs)
    await this.#progress.stop()
    for (const one of this.#opened.toReversed()) await one[Symbol.asyncDispose]()
  }

  async #start(): Promise<void> {
    const { service, onError } = this.#options
    const unlisten = listen('relayed', ({ delivered }) => this.#count(delivered))
    this.#opened.push({ [Symbol.asyncDispose]: async () => unlisten() })
    const store = await this.#open(this.#options.openStore)
    if (store === undefined) return
    const transport = await this.#open(this.#options.openTransport)
    if (transport === undefined) return
    if (transport.identity === store.log.identity) {
      throw new ConfigurationError('--transport is the log of --store itself: its readers need no relay.')
    }
    this.#relay = new Relay({ service, store, transport, clock: systemClock, onError })
    await this.#relay.start()
    this.#progress.start()
  }

  /** Gives undefined when it was stopped before it got through. */
  async #open<Opened extends AsyncDisposable>(open: () => Promise<Opened>): Promise<Opened | undefined> {
    const { signal } = this.#stopping
    for (let round = 0; !signal.aborted; round++) {
      try {
        const opened = await open()
        this.#opened.push(opened)
        return opened
      } catch (error) {
        if (!(error instanceof AcuseError) || !error.retryable) throw error
        this.#options.onError(error)
      }
      await pause(systemClock, Math.min(firstPauseMs * 2 ** Math.min(round, 6), longestPauseMs), signal)
    }
    return undefined
  }

  #count(delivered: boolean): void {
    if (delivered) this.#delivered++
    else this.#refused++
  }

  async #tell(): Promise<number> {
    const { progress } = this
    const moved = progress.delivered + progress.refused
    if (moved !== this.#told) this.#options.onProgress(progress)
    this.#told = moved
    return progressEveryMs
  }
}
