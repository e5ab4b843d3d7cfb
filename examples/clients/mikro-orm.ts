import { createBus, stream } from '@acuse/core'
import { mikroOrm } from '@acuse/postgres/mikro-orm'
import { defineEntity, MikroORM } from '@mikro-orm/postgresql'
import { z } from 'zod'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()
const Placed = defineEntity({ name: 'Placed', properties: (p) => ({ id: p.string().primary() }) })
const Reservation = defineEntity({ name: 'Reservation', properties: (p) => ({ orderId: p.string().primary() }) })

// #region mikro-orm
const orm = await MikroORM.init({
  clientUrl: process.env['DATABASE_URL'] ?? '',
  entities: [Placed, Reservation],
  pool: { max: 20 },
})
const bus = createBus({ service: 'shop', store: mikroOrm(orm) })

bus.group().on(OrderPlaced, async ({ data }, { tx: em }) => {
  em.create(Reservation, { orderId: data.orderId }) // flushed before COMMIT, and before what you publish
  reserved.resolve()
})
// #endregion
await orm.schema.create()
await bus.start()

// #region mikro-orm-publish
await orm.em.fork().transactional(async (em) => {
  em.create(Placed, { id: 'A-1' })
  await bus.publish(em, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await orm.em.fork().execute('select order_id from reservation'))
await orm.close()
