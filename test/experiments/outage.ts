import { type Bus, createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { transportAt } from '@acuse/transports'
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { type Broker, brokers } from '../processes/brokers.ts'
import { Item } from '../processes/item.ts'
import { type Experiment, experiment, Findings, quantile, type Result } from './experiment.ts'
import { countFaults, countInversions } from './publish.ts'
import type { World } from './world.ts'

/** How often a business transaction begins, whether or not the one before has ended. */
const everyMs = 10
const keys = 50
/** Of a transaction while the broker is away, compared with one while it is there. */
const mostTimes = 1.2
const drainWithinMs = 120_000

interface OutageSize {
  /** How long the broker is there, and away, ms. */
  readonly phaseMs: number
  /** How often it goes away. */
  readonly rounds: number
  /** Whether the times are compared; on a machine that does something else too they say nothing when there are few of them. */
  readonly compare: number
}

/** One for each broker. */
export const outages: readonly Experiment[] = brokers.map((broker) =>
  experiment({
    name: `I10-${broker.name}`,
    title:
      'business transactions commit as fast while the broker is away, and all that they published arrives once when it is back',
    small: { phaseMs: 4_000, rounds: 1, compare: 0 },
    whole: { phaseMs: 60_000, rounds: 2, compare: 1 },
    run: (world, size) => measure(world, broker, size),
  }),
)

async function measure(world: World, broker: Broker, { phaseMs, rounds, compare }: OutageSize): Promise<Result> {
  const findings = new Findings()
  await using server = await broker.start()
  const transportUrl = broker.urlOf(server)
  const consumer = world.start('experiments', { ROLE: 'items', TRANSPORT_URL: transportUrl })
  await consumer.ready
  const bus = createBus({ service: 'shop', store: pg(world.pool), transport: transportAt(transportUrl) })
  await bus.start()
  const business = new Business(world, bus)
  await business.work(phaseMs / 4)
  const [there, away, after]: [number[], number[], number[]] = [[], [], []]
  const drainedMs: number[] = []
  for (let round = 1; round <= rounds; round++) {
    there.push(...(await business.work(phaseMs)))
    await server.kill()
    away.push(...(await business.work(phaseMs)))
    const began = performance.now()
    const [, caughtUp] = await Promise.all([server.start(), business.work(phaseMs / 4)])
    after.push(...caughtUp)
    await world.until('select count(distinct n) from effects', business.committed, drainWithinMs)
    drainedMs.push(performance.now() - began)
    world.say(`${round} of ${rounds}: ${describe(there)} there, ${describe(away)} away`)
  }
  await bus.stop()
  consumer.process.kill('SIGTERM')
  findings.equal('exit code of the consumer', (await consumer.ended).code ?? -1, 0)
  const { lost, doubled } = await countFaults(world)
  const inversions = await countInversions(world)
  const times = rounded(quantile(away, 0.99) / quantile(there, 0.99))
  findings.equal('lost', lost, 0)
  findings.equal('doubled', doubled, 0)
  findings.equal('inversions', inversions, 0)
  findings.equal('failed transactions', business.failed, 0)
  // One that waited for the broker would take until it is back.
  const awayMaxMs = rounded(Math.max(...away))
  findings.expect(awayMaxMs < phaseMs / 2, `a transaction took ${awayMaxMs} ms while the broker was away`)
  if (compare > 0) findings.expect(times <= mostTimes, `p99 was ${times} times as long while the broker was away`)
  return {
    broken: findings.broken,
    figures: {
      committed: business.committed,
      committedAway: away.length,
      ...quantilesOf('there', there),
      ...quantilesOf('away', away),
      awayMaxMs,
      ...quantilesOf('catchingUp', after),
      times,
      drainedLongestMs: Math.round(Math.max(...drainedMs)),
      lost,
      doubled,
      inversions,
    },
  }
}

/** A service's own work: each transaction writes a row and publishes a message. */
class Business {
  readonly #world: World
  readonly #bus: Bus<PoolClient>
  committed = 0
  failed = 0

  constructor(world: World, bus: Bus<PoolClient>) {
    this.#world = world
    this.#bus = bus
  }

  /** Gives how long each transaction took, from when it was due. */
  async work(forMs: number): Promise<readonly number[]> {
    const began = performance.now()
    const tookMs: number[] = []
    const open: Promise<void>[] = []
    for (let dueMs = 0; dueMs < forMs; dueMs += everyMs) {
      await pause(Math.max(0, dueMs - (performance.now() - began)))
      open.push(this.#one().then(() => void tookMs.push(performance.now() - began - dueMs)))
    }
    await Promise.all(open)
    return tookMs
  }

  async #one(): Promise<void> {
    const key = `k${randomInt(keys)}`
    try {
      await this.#bus.transaction(async (tx, publish) => {
        // The writers of a key exclude each other, so that there is an order to keep.
        await tx.query('select pg_advisory_xact_lock(hashtext($1))', [key])
        const n = this.committed++
        await tx.query('insert into wanted(key, n) values ($1, $2)', [key, n])
        publish(Item({ key, n }))
      })
    } catch (error) {
      this.failed++
      this.#world.say(String(error))
    }
  }
}

function quantilesOf(name: string, values: readonly number[]): Record<string, number> {
  return {
    [`${name}P50Ms`]: rounded(quantile(values, 0.5)),
    [`${name}P99Ms`]: rounded(quantile(values, 0.99)),
  }
}

function describe(values: readonly number[]): string {
  return `p99 ${rounded(quantile(values, 0.99))} ms`
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
