import { type Bus, createBus, noRetry, type StandardSchema, stream } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { PoolClient } from 'pg'
import { onTestFinished } from 'vitest'
import type { TestDatabase } from './database.ts'

export interface Order {
  readonly orderId: string
}

const schema: StandardSchema<Order> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Order }) },
}

export const OrderPlaced = stream('orders').message('order.placed', { schema, key: ({ orderId }) => orderId })

/** A running service on a database; it is stopped at the end of the test. */
export async function startService(
  service: string,
  database: TestDatabase,
  declare: (bus: Bus<PoolClient>) => void = () => undefined,
): Promise<Bus<PoolClient>> {
  const bus = createBus({ service, store: pg(database.pool, { connections: 2 }) })
  declare(bus)
  await bus.start()
  onTestFinished(() => bus.stop({ deadlineMs: 5_000 }))
  return bus
}

/** A service that bills orders, unless `refuses` says no; what is refused is dead at once. */
export function startBilling(
  database: TestDatabase,
  refuses: (orderId: string) => boolean,
  billed: string[],
): Promise<Bus<PoolClient>> {
  return startService('billing', database, (bus) =>
    bus.group({ retry: noRetry, concurrency: 2 }).on(OrderPlaced, ({ data }) => {
      if (refuses(data.orderId)) throw new Error(`the card of ${data.orderId} was declined`)
      billed.push(data.orderId)
    }),
  )
}
