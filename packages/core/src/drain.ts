import type { StopOptions } from './bus.ts'

/** What can be drained: a bus, or anything that stops like one. */
export interface Drainable {
  stop(options?: StopOptions): Promise<void>
}

export interface DrainOptions extends StopOptions {
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[]
  /** Stopped in this order, one after the other, e.g. the HTTP server first, then the bus. */
  readonly before?: () => Promise<void>
}

/**
 * Drains on SIGTERM and SIGINT, then exits with 0. A second signal exits at once, with 1: still nothing is lost.
 * Gives a function that takes the listeners away again.
 */
export function drainOnSignals(target: Drainable, options: DrainOptions = {}): () => void {
  const signals = options.signals ?? ['SIGTERM', 'SIGINT']
  let draining = false
  const onSignal = (): void => {
    if (draining) process.exit(1)
    draining = true
    const drained = Promise.resolve(options.before?.()).then(() => target.stop(options))
    drained.then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}
