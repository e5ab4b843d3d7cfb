/** How much was done in how long. */
export interface Counted {
  readonly count: number
  readonly ms: number
  /** All that was done, also outside the time that counts, where that is known. */
  readonly all?: number
}

export interface PublishSlice {
  /** How long to publish, ms. */
  readonly ms: number
  /** Publishes at once, each on a connection of its own; to a broker, so many that are not confirmed yet. */
  readonly atOnce: number
  /** How many keys the messages have; 0 for unkeyed ones. */
  readonly keys: number
  /** Messages in one publish. */
  readonly batch: number
  /** `caller`: begin, publish and commit as an application does that writes rows of its own too. Default `own`. */
  readonly transaction?: 'own' | 'caller'
}

export interface DrainSlice {
  /** How long to count, ms, after `warmMs` of handling that is not counted. */
  readonly ms: number
  readonly warmMs: number
  /** Handlers at once, each on a connection of its own; of a plain client of a broker, how many may be out. */
  readonly atOnce: number
  /** Messages that may share one transaction; 1 for one each. */
  readonly shared: number
}

export interface Backlog {
  readonly count: number
  /** As in `PublishSlice`. */
  readonly keys: number
}

/** What drains, each in a process of its own. */
export interface Drainer {
  /** Publishes until `count` wait, as fast as it can. */
  load(backlog: Backlog): Promise<Counted>
  /** Consumes what waits, for a while, or until nothing is left. */
  drain(slice: DrainSlice): Promise<Counted>
  close(): Promise<void>
}

/** What publishes too. A measure asks only for what its contestants have. */
export interface Contestant extends Drainer {
  /** Publishes for a while, each message (or batch) in a transaction of its own; to a broker, each confirmed. */
  publish(slice: PublishSlice): Promise<Counted>
}
