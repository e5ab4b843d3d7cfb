import { createBus, type OutgoingMessage, type PublishOptions } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { PoolClient } from 'pg'
import { type Doing, Item } from '../processes/item.ts'
import type { World } from './world.ts'

export interface Outgoing {
  readonly message: OutgoingMessage
  readonly options?: PublishOptions
}

export type Publish = (batch: readonly Outgoing[], also?: (tx: PoolClient) => Promise<void>) => Promise<void>

/** Gives `work` a way to publish, each call in one transaction, as a service of its own does. */
export async function withPublisher<R>(world: World, work: (publish: Publish) => Promise<R>): Promise<R> {
  const bus = createBus({ service: 'writer', store: pg(world.pool) })
  await bus.start()
  try {
    return await work((batch, also) =>
      bus.transaction(async (tx, publish) => {
        for (const { message, options } of batch) publish(message, options)
        await also?.(tx)
      }),
    )
  } finally {
    await bus.stop()
  }
}

const batchSize = 500

/** Publishes `count` items from number `start` on, over `keys` keys, each with its wanted row; `doing` says what the n-th asks its handler for. */
export async function publishItems(
  world: World,
  count: number,
  keys: number,
  doing: (n: number) => Doing | undefined = () => undefined,
  start = 0,
): Promise<void> {
  await withPublisher(world, async (publish) => {
    for (let first = start; first < start + count; first += batchSize) {
      const numbers = Array.from({ length: Math.min(batchSize, start + count - first) }, (_, at) => first + at)
      const messages = numbers.map((n) => {
        const does = doing(n)
        return { message: Item({ key: `k${n % keys}`, n, ...(does === undefined ? {} : { does }) }) }
      })
      await publish(messages, async (tx) => {
        await tx.query('insert into wanted(key, n) select $1 || n % $2, n from unnest($3::int[]) n', [
          'k',
          keys,
          numbers,
        ])
      })
    }
  })
}

/** Neighbouring effects of a key of which the later has the smaller number. */
export function countInversions(world: World): Promise<number> {
  return world.number(
    `select count(*) from (select n - lag(n) over (partition by key order by seq) as step from effects) e where step < 0`,
  )
}

/** Wanted numbers that have no effect, and effects that are there more than once. */
export async function countFaults(world: World): Promise<{ readonly lost: number; readonly doubled: number }> {
  return {
    lost: await world.number('select count(*) from wanted w where not exists (select from effects e where e.n = w.n)'),
    doubled: await world.number('select count(*) - count(distinct n) from effects'),
  }
}
