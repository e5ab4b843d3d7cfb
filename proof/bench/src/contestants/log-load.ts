import type { Bus, OutgoingMessage } from '@acuse/core'
import type { Pool, PoolClient } from 'pg'

const batch = 1_000

/** Publishes so many messages into a log in two loops, by batches. Gives how many it were: whole batches. */
export async function loadLog(
  bus: Bus<PoolClient>,
  pool: Pool,
  count: number,
  batchOf: (from: number, count: number) => readonly OutgoingMessage[],
): Promise<number> {
  let begun = 0
  const loop = async (): Promise<void> => {
    while (begun < count) {
      const from = begun
      begun += batch
      await publishTogether(bus, pool, batchOf(from, batch))
    }
  }
  await Promise.all([loop(), loop()])
  return begun
}

/** In one transaction of the caller's. */
export async function publishTogether(
  bus: Bus<PoolClient>,
  pool: Pool,
  messages: readonly OutgoingMessage[],
): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await bus.publish(client, messages)
    await client.query('commit')
  } finally {
    client.release()
  }
}
