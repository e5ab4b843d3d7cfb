/** What the producers write, and what of it fails. Rates are parts of 1. */
export interface Workload {
  /** Messages the producers together aim at, a second. */
  readonly ratePerSecond: number
  readonly keys: number
  readonly rollbackRate: number
  readonly flakyRate: number
  readonly poisonRate: number
  readonly refusedRate: number
  /** How many of the keyed messages are applied one by one. */
  readonly leapRate: number
  /** How much of the load is of the other kinds. */
  readonly callRate: number
  readonly noteRate: number
  readonly hugeRate: number
  readonly flowRate: number
  /** One in so many transactions stays open for `longHoldMs`. */
  readonly longHoldOneIn: number
  readonly longHoldMs: number
  /** How long a handler waits before its effect, at most. */
  readonly handlerPauseMs: number
  /** The part of the messages whose handlers wait. */
  readonly handlerPauseRate: number
}

/** How the bus of each process is set. */
export interface Settings {
  /** Of parked messages and of the log's parts. */
  readonly leaseMs: number
  readonly concurrency: number
  readonly sharedTransaction: number
  /** What a killed process leaves to be run one by one grows with it. */
  readonly prefetch: number
  /** Small, so that a key that is behind is held at its source, and runs in batches again as soon as its parked line is empty. */
  readonly parkedPerKey: number
  readonly attempts: number
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  readonly pollMs: number
  readonly sagaTimeoutMs: number
  /** The log's retention; the ring turns often enough to be seen. */
  readonly retentionMs: number
  readonly rotateAfterMs: number
  /** The transport takes no larger message; the store does. */
  readonly transportMaxBytes: number
}

export interface Sizes {
  readonly producers: number
  readonly relays: number
  readonly consumersPerGroup: number
  readonly sagaWorkers: number
}

export interface Plan {
  readonly workload: Workload
  readonly settings: Settings
  readonly sizes: Sizes
}

export const defaultPlan: Plan = {
  workload: {
    ratePerSecond: 195,
    keys: 300,
    rollbackRate: 0.3,
    flakyRate: 0.02,
    poisonRate: 0.0015,
    refusedRate: 0.004,
    leapRate: 0.1,
    callRate: 0.04,
    noteRate: 0.02,
    hugeRate: 0.003,
    flowRate: 0.01,
    longHoldOneIn: 400,
    longHoldMs: 3_000,
    handlerPauseMs: 60,
    handlerPauseRate: 0.01,
  },
  settings: {
    leaseMs: 2_500,
    concurrency: 6,
    sharedTransaction: 24,
    prefetch: 32,
    parkedPerKey: 4,
    attempts: 10,
    retryBaseMs: 20,
    retryMaxMs: 400,
    pollMs: 1_000,
    sagaTimeoutMs: 1_500,
    retentionMs: 20_000,
    rotateAfterMs: 5_000,
    transportMaxBytes: 20_000,
  },
  sizes: { producers: 2, relays: 2, consumersPerGroup: 3, sagaWorkers: 1 },
}

export const groups = ['a', 'b'] as const
export type GroupName = (typeof groups)[number]

export function keysOf(workload: Pick<Workload, 'keys'>): readonly string[] {
  return Array.from({ length: workload.keys }, (_, index) => `k${String(index).padStart(3, '0')}`)
}
