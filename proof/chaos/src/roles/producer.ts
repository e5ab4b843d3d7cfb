import { setTimeout as sleep } from 'node:timers/promises'
import { createBus, drainOnSignals } from '@acuse/core'
import { Tick } from '../messages.ts'
import { keysOf } from '../plan.ts'
import { createRandom } from '../random.ts'
import { busOptions, producerService } from './bus-options.ts'
import { openPool } from './database.ts'
import { Pace } from './pace.ts'
import { serveParent, startUntilUp, tellParent } from './parent.ts'
import { writeOne } from './producer-transaction.ts'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

/** Transactions at once in a process. */
const writers = 8

/** Writes its own rows and publishes in their transactions, a part of which it rolls back. */
export async function runProducer(config: WorkerConfig, write: WriteLine): Promise<void> {
  const { name, seed, incarnation, plan, startedAtMs, seconds } = config
  const pool = openPool(config, writers + 2, write, plan.workload.longHoldMs + 2_000)
  const bus = await startUntilUp(() => {
    const made = createBus({ ...busOptions(config, producerService, pool), relay: 'elsewhere' })
    made.cron('tick', '* * * * *', (dueAt) => Tick({ dueAt: dueAt.toISOString() }))
    return made
  }, write)
  const stopping = new AbortController()
  const random = createRandom(seed, `${name}/${incarnation}`)
  const pace = new Pace({
    pool,
    ratePerSecond: plan.workload.ratePerSecond,
    producers: plan.sizes.producers,
    startedAtMs,
    forMs: seconds * 1_000,
  })
  const scene = { bus, pool, random, write, config, keys: keysOf(plan.workload) }
  const writing = Promise.all(Array.from({ length: writers }, () => writeUntil(stopping.signal)))

  async function writeUntil(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      if (!pace.mayWrite()) {
        await sleep(10)
        continue
      }
      try {
        pace.wrote(await writeOne(scene))
      } catch (error) {
        write({ event: 'transaction failed', text: String(error) })
        await sleep(50)
      }
    }
  }

  async function quiet(): Promise<void> {
    stopping.abort()
    pace.stop()
    await writing
  }

  drainOnSignals(bus, { signals: ['SIGTERM'], deadlineMs: 10_000, before: quiet })
  serveParent(() => bus, write, { onCure: () => undefined, onQuiet: () => void quiet() })
  tellParent({ answer: 'ready' })
}
