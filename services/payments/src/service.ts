import { transportFor } from '@acuse-services/contracts'
import { createBus, type Drainable } from '@acuse/core'
import { pg } from '@acuse/postgres'

import { openDatabase } from './database.ts'
import { createGateway } from './gateway.ts'
import { handlePayments } from './handlers.ts'
import { createHttp } from './http.ts'
import type { Settings } from './settings.ts'

/** A client that gave up leaves a connection on which nothing ever comes; requests are answered long before this. */
const longestCloseMs = 2_000

/** An instance that serves and consumes, until it is stopped. */
export interface Service extends Drainable {
  readonly url: string
}

/** Starts Payments. Rejects, with everything closed, when the database or the port cannot be had. */
export async function startPayments(settings: Settings): Promise<Service> {
  const transport = transportFor(settings)
  const pool = await openDatabase(settings.databaseUrl)
  const gateway = createGateway({ url: settings.gatewayUrl, timeoutMs: settings.gatewayTimeoutMs })
  const bus = createBus({
    service: 'payments',
    store: pg(pool, { log: { leaseMs: settings.leaseMs } }),
    transport,
    onError: (error) => app.log.error(error),
  })
  const app = await createHttp(bus, pool, gateway, settings.log)
  handlePayments(bus, { gateway, breakerResetMs: settings.breakerResetMs })
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
