import { type Bus, createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool, type PoolClient } from 'pg'
import { messageOf, Unkeyed } from '../contestants/acuse-messages.ts'
import type { Counted } from '../contestants/contestant.ts'
import { repeat, Tally } from '../loops.ts'
import { itemOf, itemsOf } from '../payload.ts'

export interface FanOutSlice {
  readonly ms: number
  readonly warmMs: number
}

/** One process with one or many groups that all take the same message type. */
export interface FanOutActor {
  /** Declares the groups; what is published from then on waits for each of them. */
  subscribe(groups: number): Promise<void>
  /** Publishes one by one while none of the groups runs. */
  publish(slice: { readonly ms: number }): Promise<Counted>
  /** Publishes until at least `count` wait for each group. */
  load(count: number): Promise<void>
  /** Runs all groups. Gives what each handled. */
  drain(slice: FanOutSlice): Promise<readonly Counted[]>
  close(): Promise<void>
}

const batch = 1_000
const concurrency = 8

export async function openFanOut(url: string): Promise<FanOutActor> {
  const publishing = new Pool({ connectionString: url, max: 8 })
  publishing.on('error', () => undefined)
  const publisher = createBus({ service: 'bench', store: pg(publishing) })
  await publisher.start()
  let groups = 1
  let waiting = 0
  const consuming = async (tallies: readonly Tally[], work: () => Promise<void>): Promise<void> => {
    const pool = new Pool({ connectionString: url, max: groups * concurrency + 1 })
    pool.on('error', () => undefined)
    const bus = consumingBus(pool, tallies)
    await bus.start()
    await work()
    await bus.stop()
    await pool.end()
  }
  return {
    subscribe: async (count) => {
      groups = count
      await consuming(talliesOf(groups, { ms: 0, warmMs: 0 }), async () => undefined)
    },
    publish: async ({ ms }) => {
      const counted = await repeat({ ms, atOnce: 8 }, async (n) => {
        await publisher.publishNow(messageOf(itemOf(n, 0)))
        return 1
      })
      waiting += counted.count
      return counted
    },
    load: async (count) => {
      for (; waiting < count; waiting += batch) {
        await publisher.transaction(async (_, publish) => {
          for (const item of itemsOf(waiting, batch, 0)) publish(messageOf(item))
        })
      }
    },
    drain: async (slice) => {
      const tallies = talliesOf(groups, slice)
      const results: Counted[] = []
      await consuming(tallies, async () => {
        results.push(...(await Promise.all(tallies.map(({ result }) => result))))
      })
      // The slowest decides what is left for all.
      waiting -= Math.max(...tallies.map(({ seen }) => seen))
      return results
    },
    close: async () => {
      await publisher.stop()
      await publishing.end()
    },
  }
}

function talliesOf(groups: number, slice: FanOutSlice): Tally[] {
  return Array.from({ length: groups }, () => new Tally(slice))
}

function consumingBus(pool: Pool, tallies: readonly Tally[]): Bus<PoolClient> {
  const bus = createBus({ service: 'bench-consumer', store: pg(pool) })
  for (const [index, tally] of tallies.entries()) {
    bus.group(`group-${index}`, { from: 'earliest', concurrency }).on(Unkeyed, () => tally.add())
  }
  return bus
}
