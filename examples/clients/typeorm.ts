import { createBus, stream } from '@acuse/core'
import { typeorm } from '@acuse/postgres/typeorm'
import { DataSource, EntitySchema } from 'typeorm'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()
const Placed = new EntitySchema<{ id: string }>({ name: 'placed', columns: { id: { type: 'text', primary: true } } })
const Reservation = new EntitySchema<{ orderId: string }>({
  name: 'reservation',
  columns: { orderId: { type: 'text', primary: true } },
})

// #region typeorm
const dataSource = new DataSource({
  type: 'postgres',
  url: process.env['DATABASE_URL'] ?? '',
  entities: [Placed, Reservation],
  synchronize: true,
  extra: { max: 20 },
})
await dataSource.initialize()
const bus = createBus({ service: 'shop', store: typeorm(dataSource) })

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx.insert(Reservation, { orderId: data.orderId })
  reserved.resolve()
})
await bus.start()

await dataSource.transaction(async (tx) => {
  await tx.insert(Placed, { id: 'A-1' })
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await dataSource.manager.find(Reservation))
await dataSource.destroy()
