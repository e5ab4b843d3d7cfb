import { mkdir, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'

import { startEmbedded } from '@acuse/postgres/embedded'
import type { EmbeddedServer } from '@acuse/postgres/embedded'

import { AUDIT_TABLES } from '../audit/tables.ts'
import { createRunDatabases } from '../database/run-databases.ts'
import type { RunDatabases } from '../database/run-databases.ts'
import { duration } from '../display/numbers.ts'
import { planStock } from '../feed/stock-plan.ts'
import { readOrders } from '../input/read-orders.ts'
import { repeatOrders } from '../input/repeat-orders.ts'
import type { OrderInput } from '../input/order-input.ts'
import type { Options } from '../options.ts'
import { noCounts } from '../processes/counts.ts'
import type { Counts } from '../processes/counts.ts'
import type { KeptService } from '../processes/kept-service.ts'
import { openTransport } from '../transport/open-transport.ts'
import type { RunTransport } from '../transport/open-transport.ts'
import type { Closing } from './closing.ts'
import { seedStock } from './seed-stock.ts'
import { describeServices } from './start-services.ts'
import type { Services } from './start-services.ts'
import type { Voice } from './voice.ts'

/** Everything that runs, ready for orders. */
export interface Marketplace {
  server: EmbeddedServer
  databases: RunDatabases
  transport: RunTransport
  /** Restarts the server under everybody's feet. */
  restartDatabase: () => Promise<void>
  services: Services
  counts: Counts
  /** How many orders the input holds. */
  orders: number
  /** Settles when the second process of each service is up too. */
  complete: Promise<unknown>
}

export interface Surroundings {
  voice: Voice
  /** Takes whatever is opened, also when opening the rest fails. */
  closing: Closing
  signal: AbortSignal
}

/** PostgreSQL uses one for each process of a connection; two processes each of three services have some 25. */
const MAX_CONNECTIONS = '300'
/** A service has so long to finish its messages when all ends. */
const STOP_DEADLINE_MS = 15_000

/** The input as often as it takes. */
export function inputsOf({ input, orders }: Pick<Options, 'input' | 'orders'>): AsyncIterable<OrderInput> {
  return orders === null ? readOrders(input) : repeatOrders(() => readOrders(input), orders)
}

/** Starts the database, the services and the stock. */
export async function openMarketplace(
  options: Options,
  { voice, closing, signal }: Surroundings,
): Promise<Marketplace> {
  const { folder, seed } = options
  const startedAt = performance.now()
  voice.say(`Acuse marketplace, seed ${seed}`)
  voice.say(`Starting PostgreSQL in ${relative(process.cwd(), folder) || folder} …`)
  await mkdir(join(folder, 'logs'), { recursive: true })
  const server = await startEmbedded({
    folder: join(folder, 'postgres'),
    settings: { max_connections: MAX_CONNECTIONS },
  })
  closing.add('PostgreSQL', () => server.stop())
  signal.throwIfAborted()

  const { databases, createBus, lockAgain, close } = await createRunDatabases(server, Date.now().toString(36))
  closing.add('the databases', close)
  await databases.audit.query(AUDIT_TABLES)
  // Only now: until the databases were had, this folder may have been another run's.
  await rm(join(folder, 'gateway-journal.jsonl'), { force: true })

  const transport = await openTransport({ ...options, createBus, say: voice.say })
  const { broker } = transport
  if (broker !== null) closing.add(broker.name, () => broker[Symbol.asyncDispose]())
  signal.throwIfAborted()

  const counts = noCounts()
  const services = await describeServices({
    databases,
    transportUrl: transport.url,
    folder,
    seed,
    faults: options.faults,
    counts,
    note: voice.say,
  })
  closing.add('the services', () => stopServices(services))
  // For an end in which nothing can be waited for; where all was closed nobody is left to be killed.
  process.on('exit', () => services.all.forEach((service) => service.killNow()))
  const tellOf = ({ name, url }: KeptService): void => voice.say(`  ${name.padEnd(18)} ${url}`)
  const first = [services.gateway, services.inventory[0], services.payments[0], services.orders[0]]
  const second = services.all.filter((service) => !first.includes(service))
  voice.say(`Starting ${first.map(({ name }) => name).join(', ')} …`)
  const [plan] = await Promise.all([
    planStock(inputsOf(options), seed),
    ...first.map((service) => service.startOnce().then(() => tellOf(service))),
  ])
  signal.throwIfAborted()

  await seedStock(plan.stock, services.inventory[0].url, databases.audit, signal)
  voice.say(`Ready after ${duration((performance.now() - startedAt) / 1_000)}: ${plan.stock.size} products in stock.`)
  // Orders can flow already: on two cores seven processes take twice as long to start as four.
  // Faults may meet them as they start, so they are started until they are up.
  const complete = Promise.all(second.map((service) => service.start().then(() => tellOf(service))))
  // Whoever waits for it is told; until somebody does, a failure must not end the process.
  complete.catch(() => undefined)
  const restartDatabase = async (): Promise<void> => {
    await server.restart('fast')
    await lockAgain()
  }
  return { server, databases, transport, restartDatabase, services, counts, orders: plan.orders, complete }
}

// Whoever asks ends first, then whoever is asked; the gateway last.
async function stopServices({ gateway, own }: Services): Promise<void> {
  await Promise.all(own.map((service) => service.stop(STOP_DEADLINE_MS)))
  await gateway.stop(STOP_DEADLINE_MS)
}
