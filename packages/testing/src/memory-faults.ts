/** Where the in-memory store can be told to fail. `afterCommit` fails after everything is durable, as a connection lost during COMMIT does. */
export type MemoryFaultPoint =
  | 'begin'
  | 'append'
  | 'accept'
  | 'park'
  | 'claim'
  | 'complete'
  | 'reschedule'
  | 'bury'
  | 'load'
  | 'save'
  | 'schedule'
  | 'dispatch'
  | 'commit'
  | 'afterCommit'

/** Errors that wait to be thrown, by the point they wait at. */
export class MemoryFaults {
  readonly #waiting = new Map<MemoryFaultPoint, Error[]>()

  /** The next call that comes to `point` throws `error`; several wait in line. */
  failNext(point: MemoryFaultPoint, error: Error): void {
    this.#waiting.set(point, [...(this.#waiting.get(point) ?? []), error])
  }

  hit(point: MemoryFaultPoint): void {
    const error = this.#waiting.get(point)?.shift()
    if (error !== undefined) throw error
  }
}
