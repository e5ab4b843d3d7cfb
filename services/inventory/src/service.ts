import { transportFor } from '@acuse-services/contracts'
import { createBus, type Drainable } from '@acuse/core'
import { pg } from '@acuse/postgres'

import { openDatabase } from './database.ts'
import { handleOrders } from './handlers.ts'
import { createHttp } from './http.ts'
import type { Settings } from './settings.ts'

/** A client that gave up leaves a connection on which nothing ever comes; requests are answered long before this. */
const longestCloseMs = 2_000

/** An instance that serves and consumes, until it is stopped. */
export interface Service extends Drainable {
  readonly url: string
}

/** Starts Inventory. Rejects, with everything closed, when the database or the port cannot be had. */
export async function startInventory(settings: Settings): Promise<Service> {
  const transport = transportFor(settings)
  const pool = await openDatabase(settings.databaseUrl)
  const bus = createBus({
    service: 'inventory',
    store: pg(pool, { log: { leaseMs: settings.leaseMs } }),
    transport,
    onError: (error) => app.log.error(error),
  })
  const app = await createHttp(bus, pool, settings.log)
  handleOrders(bus, settings)
  const stop: Drainable['stop'] = async (options) => {
    const overdue = setTimeout(() => app.server.closeAllConnections(), longestCloseMs)
    await app.close()
    clearTimeout(overdue)
    await bus.stop(options)
    await pool.end()
  }
  try {
    await bus.start()
    const url = await app.listen({ port: settings.port, host: settings.host })
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
