import { createBus, drainOnSignals } from '@acuse/core'
import { busOptions, producerService } from './bus-options.ts'
import { openPool } from './database.ts'
import { serveParent, startUntilUp, tellParent } from './parent.ts'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

/** Sends the producing service's log to the transport, as `acuse relay` does. */
export async function runRelay(config: WorkerConfig, write: WriteLine): Promise<void> {
  const pool = openPool(config, 2, write)
  const bus = await startUntilUp(() => createBus(busOptions(config, producerService, pool)), write)
  drainOnSignals(bus, { signals: ['SIGTERM'], deadlineMs: 10_000 })
  serveParent(() => bus, write, { onCure: () => undefined, onQuiet: () => undefined })
  tellParent({ answer: 'ready' })
}
