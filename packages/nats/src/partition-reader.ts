import { type AcuseError, pause } from '@acuse/core'
import { asAcuseError } from './errors.ts'
import { Session, type SessionOptions } from './session.ts'

const firstPauseMs = 50
const longestPauseMs = 5_000
/** Who stops waits so long for a reading that is just being opened. */
const openWithinMs = 1_000

/** Reads a partition as long as this process owns it. After a break nothing of before counts, and it is read again from its place. */
export class PartitionReader {
  readonly #options: SessionOptions
  readonly #stopping = new AbortController()
  #session: Session | undefined
  #opening: Promise<void> | undefined
  #running: Promise<void> | undefined
  #isLost = false

  constructor(options: SessionOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** The connection broke. */
  onLost(): void {
    this.#session?.fail('lost')
  }

  /** Another process shall have it. Resolves when the sink has let go of it and its place is stored. Never rejects. */
  async give(): Promise<void> {
    this.#stopping.abort()
    await this.#opening
    const session = this.#session
    if (session !== undefined) {
      session.drain()
      const { lanes, intake } = this.#options
      const unbegun = await Promise.all(lanes.map(({ partition }) => intake.give(partition)))
      await session.finish(unbegun.flat())
    }
    await this.#running
  }

  /** Another process has it, or may. Resolves when the sink has let go of it. Never rejects. */
  async lose(): Promise<void> {
    this.#isLost = true
    this.#stopping.abort()
    this.#session?.fail('lost')
    await this.#running
  }

  /** Takes nothing more. */
  drain(): void {
    this.#stopping.abort()
    this.#session?.drain()
  }

  /** Stores its place, when all is settled or nothing more will be. Never rejects. */
  async stop(): Promise<void> {
    const { clock, lanes, intake } = this.#options
    // One that the server does not answer has begun nothing.
    await Promise.race([this.#opening, pause(clock, openWithinMs)])
    await this.#session?.finish(lanes.flatMap(({ partition }) => intake.unbegun(partition)))
  }

  async #run(): Promise<void> {
    const { connection, clock, onError } = this.#options
    let failures = 0
    while (!this.#isStopping) {
      await connection.whenConnected(this.#stopping.signal)
      if (this.#isStopping) return
      const session = new Session(this.#options)
      try {
        const opening = session.open()
        this.#opening = opening.catch(() => undefined)
        await opening
        failures = 0
        this.#session = session
        if (this.#isStopping) session.drain()
        if (this.#isLost) session.fail('lost')
        const reason = await session.over
        if (reason === 'finished') return
        if (reason !== 'lost') onError(reason)
      } catch (error) {
        session.fail('lost')
        // A connection that broke says so itself.
        if (!this.#isStopping && connection.connected) onError(this.#error(error))
      }
      this.#session = undefined
      await this.#letGo()
      const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures++, 10), longestPauseMs)
      await pause(clock, pauseMs, this.#stopping.signal)
    }
  }

  async #letGo(): Promise<void> {
    const { lanes, intake } = this.#options
    await Promise.all(lanes.map(({ partition }) => intake.lose(partition)))
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  #error(cause: unknown): AcuseError {
    const { group, stream, partition } = this.#options
    return asAcuseError(cause, `group ${group}, partition ${stream}/${partition}`)
  }
}
