import { join } from 'node:path'

import { messageOf } from '@acuse/core'

import { recordPlaced } from '../audit/record-placed.ts'
import { startFaults } from '../faults/faults.ts'
import type { FaultCounts, Faults } from '../faults/faults.ts'
import { feed } from '../feed/feeder.ts'
import { createRejectedLines } from '../feed/rejected-lines.ts'
import { createRoom } from '../feed/room.ts'
import { FAULTS_LAST_SECONDS } from '../options.ts'
import type { Options } from '../options.ts'
import { readOrderStates } from '../watch/order-states.ts'
import { untilQuiet } from '../watch/quiet.ts'
import { readUnsettled } from '../watch/unsettled.ts'
import { startWatch } from '../watch/watch.ts'
import { gatewayOutage } from './gateway-control.ts'
import { inputsOf } from './open-marketplace.ts'
import type { Marketplace } from './open-marketplace.ts'
import type { Voice } from './voice.ts'

/** An order causes twelve effects or so; a hundred are through in less than the 15 s that a payment may take, also on a slow machine. */
const MOST_OPEN = 100
const LOOK_FOR_ROOM_MS = 500

/** What is known of a run beside the databases. */
export interface Sent {
  rejectedLines: number
  faults: FaultCounts
  /** From the first order to rest. */
  seconds: number
  /** Orders that nobody took, and what did not come to rest. */
  problems: string[]
}

/** Sends all orders through the marketplace, with faults if asked for, and waits until all has come to rest. */
export async function sendOrders(
  options: Options,
  marketplace: Marketplace,
  voice: Voice,
  signal: AbortSignal,
): Promise<Sent> {
  const { databases, services, counts } = marketplace
  const startedAt = performance.now()
  const record = recordPlaced(databases.audit)
  const rejected = createRejectedLines(join(options.folder, 'rejected-lines.txt'), voice.say)
  const problems: string[] = []
  let placed = 0
  let faults: Faults | undefined
  const noFaults: FaultCounts = { total: 0, kills: 0, restarts: 0 }

  const watch = startWatch({
    known: () => ({
      total: marketplace.orders,
      placed,
      failed: problems.length,
      applied: counts.applied,
      retries: counts.retries,
      deadLetters: counts.dead,
      faults: (faults?.counts ?? noFaults).total,
      services: services.all.map(({ name, state }) => ({ name, state })),
    }),
    readStates: () => readOrderStates(databases.orders),
    show: voice.show,
  })
  try {
    if (options.faults) faults = beginFaults(options, marketplace, () => placed, voice)
    await feed({
      inputs: inputsOf(options),
      seed: options.seed,
      orders: services.orders.map(({ url }) => url),
      concurrency: options.concurrency,
      ratePerSecond: options.ratePerSecond ?? (options.faults ? marketplace.orders / FAULTS_LAST_SECONDS : null),
      room: createRoom({
        most: MOST_OPEN,
        readOpen: async () => (await readOrderStates(databases.orders)).open,
        everyMs: LOOK_FOR_ROOM_MS,
        signal,
      }),
      signal,
      async onPlaced(order, answer) {
        placed += 1
        await record.add(order, answer)
      },
      onRejected: rejected.add,
      onFailed(what) {
        problems.push(what)
        voice.say(what)
      },
    })
    await record.flush()
    await marketplace.complete
    await faults?.stop()
    const unsettled = await untilQuiet({
      readUnsettled: () => readUnsettled(databases),
      withinMs: options.drainSeconds * 1_000,
      signal,
    })
    problems.push(...unsettled.map((what) => `after ${options.drainSeconds} s there are still ${what}`))
  } finally {
    await faults?.stop()
    await rejected.close()
    await watch.stop()
    voice.endShow()
  }
  return {
    rejectedLines: rejected.count,
    faults: faults?.counts ?? noFaults,
    seconds: (performance.now() - startedAt) / 1_000,
    problems,
  }
}

function beginFaults(
  { seed }: Options,
  { services, orders, transport, restartDatabase }: Marketplace,
  placed: () => number,
  voice: Voice,
): Faults {
  return startFaults({
    seed,
    services: [services.inventory, services.payments, services.orders],
    gateway: services.gateway,
    gatewayOutage: (ms) => gatewayOutage(services.gateway.url, ms),
    restartDatabase,
    broker: transport.broker,
    databaseIsDue: () => placed() >= orders / 2,
    onFault: (what) => voice.say(`fault: ${what}`),
    onFailed: (error) => voice.say(`a fault did not go as meant: ${messageOf(error)}`),
  })
}
