import { join } from 'node:path'

import type { RunDatabases } from '../database/run-databases.ts'
import { addCounts } from '../processes/counts.ts'
import type { Counts } from '../processes/counts.ts'
import { freePort } from '../processes/free-port.ts'
import { KeptService } from '../processes/kept-service.ts'
import { serviceProgram } from '../processes/program.ts'
import type { ServiceName } from '../processes/program.ts'
import { GATEWAY_BEHAVIOUR } from './gateway-control.ts'

export interface ServicesOptions {
  databases: RunDatabases
  /** What the services reach each other by. */
  transportUrl: string
  folder: string
  seed: number
  faults: boolean
  /** Sums of what the buses did. */
  counts: Counts
  note: (text: string) => void
}

/** The running services. Of each consumer there are two processes, so that work moves between them. */
export interface Services {
  gateway: KeptService
  inventory: readonly [KeptService, KeptService]
  payments: readonly [KeptService, KeptService]
  orders: readonly [KeptService, KeptService]
  /** All but the gateway, which is not ours: it stands for a company far away. */
  own: readonly KeptService[]
  all: readonly KeptService[]
}

/**
 * Shorter than in earnest, so that a run comes to its end: a card that never answers is asked again every second or so
 * until its order gives up. With faults an order may have to wait for the leases of a killed process to end, and more
 * than once; it should not be given up for that.
 */
const GATEWAY_TIMES = { GATEWAY_TIMEOUT_MS: '1000', BREAKER_RESET_MS: '500' }
const PAYMENT_TIMEOUT_MS = 15_000
const PAYMENT_TIMEOUT_WITH_FAULTS_MS = 30_000
/** Of a process that was killed, so that the other of its service takes over soon. */
const LEASE_MS = 3_000

/** Describes the services' processes, on ports of their own; none is started. */
export async function describeServices(options: ServicesOptions): Promise<Services> {
  const { databases, transportUrl, folder, seed, faults, counts, note } = options
  const taken = new Set<number>()
  const describe = async (
    name: string,
    service: ServiceName,
    env: Readonly<Record<string, string>>,
  ): Promise<KeptService> => {
    let port = await freePort()
    while (taken.has(port)) port = await freePort()
    taken.add(port)
    return new KeptService({
      name,
      program: serviceProgram(service),
      env: { LOG: 'quiet', ...env },
      port,
      log: join(folder, 'logs', `${name}.log`),
      onMessage: (message) => addCounts(counts, message),
      note,
    })
  }
  const databaseOf = (service: 'orders' | 'inventory' | 'payments'): Record<string, string> => ({
    DATABASE_URL: databases[service].url,
    LEASE_MS: String(LEASE_MS),
    TRANSPORT_URL: transportUrl,
  })

  const gateway = await describe('gateway', 'gateway', {
    JOURNAL: join(folder, 'gateway-journal.jsonl'),
    SEED: String(seed),
    BEHAVIOUR: JSON.stringify(GATEWAY_BEHAVIOUR),
  })
  const two = async (
    service: ServiceName,
    env: Readonly<Record<string, string>>,
  ): Promise<[KeptService, KeptService]> => [
    await describe(`${service}-1`, service, env),
    await describe(`${service}-2`, service, env),
  ]
  const inventory = await two('inventory', databaseOf('inventory'))
  const payments = await two('payments', {
    ...databaseOf('payments'),
    GATEWAY_URL: gateway.url,
    ...GATEWAY_TIMES,
  })
  const orders = await two('orders', {
    ...databaseOf('orders'),
    INVENTORY_URL: inventory[0].url,
    PAYMENTS_URL: payments[0].url,
    PAYMENT_TIMEOUT_MS: String(faults ? PAYMENT_TIMEOUT_WITH_FAULTS_MS : PAYMENT_TIMEOUT_MS),
  })
  const own = [...inventory, ...payments, ...orders]
  return { gateway, inventory, payments, orders, own, all: [gateway, ...own] }
}
