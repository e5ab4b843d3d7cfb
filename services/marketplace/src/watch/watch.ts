import { setTimeout as delay } from 'node:timers/promises'

import type { ProgressState } from '../display/render.ts'
import type { OrderStates } from './order-states.ts'

export interface WatchOptions {
  /** The parts of the state that cost nothing to know. */
  known: () => Omit<ProgressState, 'seconds' | 'messagesPerSecond' | 'orders'> & {
    total: number | null
    placed: number
    failed: number
    /** Messages applied so far. */
    applied: number
  }
  readStates: () => Promise<OrderStates>
  show: (state: ProgressState) => void
}

const EVERY_MS = 1_000

/** Shows where the run is, once a second, until it is stopped. A look that fails (the database is away) shows the last one again. */
export function startWatch({ known, readStates, show }: WatchOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const startedAt = performance.now()
  let states: OrderStates = { completed: 0, cancelled: 0, open: 0 }
  let lastApplied = 0
  let lastAt = startedAt

  const showNow = (): void => {
    const { total, placed, failed, applied, ...rest } = known()
    const now = performance.now()
    const messagesPerSecond = Math.max(0, ((applied - lastApplied) / Math.max(1, now - lastAt)) * 1_000)
    lastApplied = applied
    lastAt = now
    show({
      ...rest,
      seconds: (now - startedAt) / 1_000,
      messagesPerSecond,
      orders: { total, placed, confirmed: states.completed, cancelled: states.cancelled, failed },
    })
  }
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    states = await readStates().catch(() => states)
    looking = undefined
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      // A database that is away is waited for; the display goes on meanwhile.
      looking ??= look()
      await Promise.race([looking, delay(EVERY_MS)])
      showNow()
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await (looking ?? look())
    showNow()
  }
  const running = run()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}
