import { AcuseError } from '@acuse/core'
import type { SimulatedProcess } from './process.ts'
import type { SimulationRandom } from './random.ts'
import type { Timeline } from './timeline.ts'

export type ServerName = 'database' | 'transport'

/** How long a client waits at most for an answer that does not come, and a server until it takes a silent client for gone. */
const longestSilenceMs = 10_000
/** How long a way takes while the network is well; half of the ways take no time at all. */
const usualDelayMs = 5

export interface LinkOptions {
  readonly process: SimulatedProcess
  readonly server: ServerName
  readonly timeline: Timeline
  readonly random: SimulationRandom
  /** Told of every call, for the trace. */
  readonly onCall: (name: string) => void
}

/** The connections of one process to one server. Requests and answers take their time, and are lost when the link is cut. */
export class Link {
  readonly #options: LinkOptions
  readonly #onCut: (() => void)[] = []
  readonly #onExpire: (() => void)[] = []
  #epoch = 0
  #up = true
  #slowestMs = usualDelayMs
  /** When what was sent last in each direction arrives: one stream keeps its order. */
  readonly #arrivals = { server: 0, client: 0 }

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** Changes when the connections are cut: what was begun before belongs to nobody any more. */
  get epoch(): number {
    return this.#epoch
  }

  get process(): SimulatedProcess {
    return this.#options.process
  }

  get timeline(): Timeline {
    return this.#options.timeline
  }

  /** A moment until one side notices that the other one is gone. */
  noticeMs(): number {
    return this.#options.random.integer(0, longestSilenceMs)
  }

  /** Every connection breaks; none can be made until `heal`. */
  cut(): void {
    this.#up = false
    this.#epoch++
    for (const listener of [...this.#onCut]) listener()
  }

  heal(): void {
    this.#up = true
  }

  /** The server takes the silent client for gone. */
  expire(): void {
    for (const listener of [...this.#onExpire]) listener()
  }

  slow(mostMs: number): void {
    this.#slowestMs = mostMs
  }

  hurry(): void {
    this.#slowestMs = usualDelayMs
  }

  onCut(listener: () => void): void {
    this.#onCut.push(listener)
  }

  onExpire(listener: () => void): void {
    this.#onExpire.push(listener)
  }

  /** Sends a request; `arrived` runs at the server, or `lost` at the client once it has waited long enough. */
  request(name: string, arrived: () => void, lost: () => void): void {
    const { process, onCall } = this.#options
    const ambush = process.countCall()
    if (ambush?.phase === 'before') ambush.strike()
    process.enter(() => {
      onCall(name)
      this.#travel(
        () => {
          arrived()
          if (ambush?.phase === 'after') ambush.strike()
        },
        () => this.#miss(lost),
      )
    })
  }

  /** Sends an answer; `arrived` or `lost` runs at the client. */
  answer(arrived: () => void, lost: () => void): void {
    this.#travel(
      () => this.#options.process.enter(arrived),
      () => this.#miss(lost),
    )
  }

  /** A request and its answer. Rejects when either is lost: whether the server did it, nobody knows. */
  call<R>(name: string, work: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(this.lostError())
      this.request(
        name,
        () => {
          work().then(
            (result) => this.answer(() => resolve(result), lost),
            (error: unknown) => this.answer(() => reject(error), lost),
          )
        },
        lost,
      )
    })
  }

  /** Sends something that is not answered, in the order it was sent. What is on its way when the link is cut is gone. */
  send(towards: 'server' | 'client', arrived: () => void): void {
    const { timeline, process } = this.#options
    if (!this.#up) return
    const epoch = this.#epoch
    const at = Math.max(timeline.now() + this.#delayMs(), this.#arrivals[towards])
    this.#arrivals[towards] = at
    timeline.after(at - timeline.now(), () => {
      if (this.#epoch !== epoch) return
      if (towards === 'client') process.enter(arrived)
      else arrived()
    })
  }

  lostError(): AcuseError {
    const { process, server } = this.#options
    const code = server === 'database' ? 'ACUSE_STORE_UNAVAILABLE' : 'ACUSE_TRANSPORT_UNAVAILABLE'
    return new AcuseError(code, `${process.instance} has no answer from its ${server}.`)
  }

  #travel(arrived: () => void, lost: () => void): void {
    if (!this.#up) return lost()
    const epoch = this.#epoch
    const delayMs = this.#delayMs()
    if (delayMs === 0) return arrived()
    this.#options.timeline.after(delayMs, () => {
      if (this.#epoch === epoch) arrived()
      else lost()
    })
  }

  #miss(lost: () => void): void {
    const { process, timeline } = this.#options
    timeline.after(this.noticeMs(), () => process.enter(lost))
  }

  #delayMs(): number {
    const { random } = this.#options
    return random.chance(0.5) ? 0 : random.integer(1, this.#slowestMs)
  }
}
