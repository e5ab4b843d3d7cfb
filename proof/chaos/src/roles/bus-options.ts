import type { BusOptions } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { Pool, PoolClient } from 'pg'
import { streams } from '../messages.ts'
import { transportNamed } from '../transports/transports.ts'
import type { WorkerConfig } from './worker-config.ts'

/** The bus of a process of the run, without what its role adds. */
export function busOptions(config: WorkerConfig, service: string, pool: Pool): BusOptions<PoolClient> {
  const { settings } = config.plan
  const { leaseMs, retentionMs, rotateAfterMs, pollMs } = settings
  return {
    service,
    pollMs,
    store: pg(pool, { connections: 3, log: { streams, leaseMs, retentionMs, rotateAfterMs } }),
    transport: transportNamed(config.transport).connect(config.transportUrl, settings, config.nodes),
  }
}

/** The producing service: producers and relays are processes of it. */
export const producerService = 'chaos-producer'
