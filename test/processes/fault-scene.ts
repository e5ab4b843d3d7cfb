import { createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import type { PoolClient } from 'pg'
import { expect } from 'vitest'
import { type Doing, Item } from './item.ts'
import { faultsOf, noFaults, type Scene } from './scene.ts'
import { startWorker, type Worker } from './start.ts'

export const publisher = (at: Scene, env: Record<string, string> = {}): Worker =>
  startWorker({ ROLE: 'publisher', DATABASE_URL: at.url, ...env })
export const consumer = (at: Scene, env: Record<string, string> = {}): Worker =>
  startWorker({ ROLE: 'consumer', DATABASE_URL: at.url, ...env })

export async function check(at: Scene): Promise<void> {
  const wanted = await at.wanted()
  await at.untilEffects(wanted.length)
  expect(faultsOf(wanted, await at.effects())).toEqual(noFaults)
}

/** Opens and closes a bus, so that the schema is there before processes race for it. */
export async function prepare(at: Scene): Promise<void> {
  const bus = createBus({ service: 'prepare', store: pg(at.pool) })
  await bus.start()
  await bus.stop()
}

/** Writes one item, and asks the database whether it committed where the answer to COMMIT was lost. */
export async function writeUntilKnown(
  at: Scene,
  publish: (client: PoolClient) => Promise<void>,
  n: number,
  key = `k${n % 5}`,
): Promise<void> {
  const write = async (): Promise<void> => {
    const client = await at.pool.connect()
    let failure: Error | undefined
    try {
      await client.query('begin')
      const { rowCount } = await client.query('select 1 from wanted where n = $1', [n])
      if (rowCount === 0) {
        await client.query('insert into wanted(key, n) values ($1, $2)', [key, n])
        await publish(client)
      }
      await client.query('commit')
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      throw failure
    } finally {
      client.release(failure)
    }
  }
  await eventually(write, { timeoutMs: 30_000 })
}

/** Publishes n items over two keys; their wanted rows are those that should be applied. */
export async function publishItems(at: Scene, count: number, extra: (n: number) => { does?: Doing }): Promise<void> {
  const bus = createBus({ service: 'writer', store: pg(at.pool) })
  await bus.start()
  await bus.transaction(async (tx, publish) => {
    for (let n = 0; n < count; n++) {
      publish(Item({ key: `k${n % 2}`, n, ...extra(n) }))
      if (extra(n).does === undefined) await tx.query('insert into wanted(key, n) values ($1, $2)', [`k${n % 2}`, n])
    }
  })
  await bus.stop()
}

export async function deadLetters(at: Scene): Promise<{ reason: string; attempts: number }[]> {
  return (await at.pool.query<{ reason: string; attempts: number }>('select reason, attempts from acuse.dead_letter'))
    .rows
}
