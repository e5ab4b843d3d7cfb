import { createBus, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'
import { hubTransport } from './hub-transport.ts'
import { Hub } from './hub.ts'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const received = Promise.withResolvers<void>()

// #region use
const hub = new Hub()

const shop = createBus({ service: 'hub-shop', store: embedded(), transport: hubTransport(hub) })
const warehouse = createBus({ service: 'hub-warehouse', store: embedded(), transport: hubTransport(hub) })

warehouse.group().on(OrderPlaced, ({ data, source }) => {
  console.log(`${source} has sold ${data.orderId}`)
  received.resolve()
})
await warehouse.start()
await shop.start()
await shop.publishNow(OrderPlaced({ orderId: 'A-1' })) // in the shop's log; its relay brings it to the hub
// #endregion
await received.promise
await shop.stop()
await warehouse.stop()
