import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '@acuse/core'
import type { Pool, PoolClient } from 'pg'
import type { Random } from '../random.ts'
import { plan, type Planned, record } from './producer-plan.ts'
import type { WorkerConfig } from './worker-config.ts'
import type { WriteLine } from './worker-log.ts'

export interface ProducerScene {
  readonly bus: Bus<PoolClient>
  readonly pool: Pool
  readonly random: Random
  readonly write: WriteLine
  readonly config: WorkerConfig
  readonly keys: readonly string[]
}

/** Thrown to roll a transaction back, as an application does that has changed its mind. */
class ChangedMind extends Error {}

/** One transaction of the service: it locks keys, draws their sequences, publishes and commits, or not. Gives how many messages it committed. */
export async function writeOne(scene: ProducerScene): Promise<number> {
  const { bus, random, config } = scene
  const rollsBack = random.chance(config.plan.workload.rollbackRate)
  try {
    if (random.chance(0.5)) return await bareTransaction(scene, rollsBack)
    return await bus.transaction((tx, publish) =>
      inTransaction(scene, tx, rollsBack, async (planned) =>
        planned.map(({ message, options }) => publish(message, options)),
      ),
    )
  } catch (error) {
    if (error instanceof ChangedMind) return 0
    throw error
  }
}

/** The service's own transaction, in which it calls `bus.publish`. */
async function bareTransaction(scene: ProducerScene, rollsBack: boolean): Promise<number> {
  const client = await scene.pool.connect()
  let broken = true
  try {
    await client.query('begin')
    const count = await inTransaction(scene, client, rollsBack, (planned) => publishAll(scene.bus, client, planned))
    const { command } = await client.query('commit')
    broken = false
    if (command !== 'COMMIT') throw new Error(`the server answered ${command} to a COMMIT`)
    return count
  } catch (error) {
    await client.query('rollback').then(
      () => (broken = false),
      () => undefined,
    )
    throw error
  } finally {
    client.release(broken)
  }
}

/** What is not scheduled goes in one call. */
async function publishAll(bus: Bus<PoolClient>, tx: PoolClient, planned: readonly Planned[]): Promise<string[]> {
  const now = planned.filter(({ delayMs }) => delayMs === null)
  const published = await bus.publish(
    tx,
    now.map(({ message }) => message),
  )
  const ids = published.map(({ id }) => id)
  const all: string[] = []
  for (const { message, options, delayMs } of planned) {
    const id = delayMs === null ? ids.shift() : (await bus.publish(tx, message, options)).id
    if (id === undefined) throw new Error('bus.publish gave fewer ids than it was given messages')
    all.push(id)
  }
  return all
}

async function inTransaction(
  scene: ProducerScene,
  tx: PoolClient,
  rollsBack: boolean,
  publish: (planned: readonly Planned[]) => Promise<readonly string[]>,
): Promise<number> {
  const { random, config, write, keys } = scene
  const { workload } = config.plan
  const { planned, flow } = await plan({ workload, random, keys }, tx)
  const ids = await publish(planned)
  await record(tx, config.name, planned, ids, flow)
  // Written before the end of the transaction is known, whatever it will be.
  write({ event: rollsBack ? 'rolling back' : 'attempted', ids })
  if (random.chance(1 / workload.longHoldOneIn)) await sleep(workload.longHoldMs)
  else if (random.chance(0.5)) await sleep(random.whole(1, 8))
  if (rollsBack) throw new ChangedMind()
  return planned.length
}
