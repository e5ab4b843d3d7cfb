import { asyncApi, createBus, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'

// The stream as an older version of the service knows it.
const Older = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string(), name: z.string() }),
  key: (order) => order.orderId,
})

// #region versions
const orders = stream('orders')
const OrderPlaced = orders.message('order.placed', {
  version: 2,
  schema: z.object({ orderId: z.string(), customer: z.object({ name: z.string() }) }),
  key: (order) => order.orderId,
  // Each gives the next version's data. Messages of version 1 may still be in logs and among the dead letters.
  upcasters: {
    1: (older) => {
      const { orderId, name } = z.object({ orderId: z.string(), name: z.string() }).parse(older)
      return { orderId, customer: { name } }
    },
  },
})
// #endregion

const received = Promise.withResolvers<void>()
const bus = createBus({ service: 'versions', store: embedded() })
bus.group().on(OrderPlaced, ({ data, version }) => {
  console.log(`version ${version}: ${data.customer.name}`)
  received.resolve()
})
await bus.start()
await bus.publishNow(Older({ orderId: 'A-1', name: 'Ada' }))
await received.promise
await bus.stop()

// #region catalogue
const catalogue = asyncApi({ title: 'Orders', version: '2.0.0' }, [OrderPlaced])
// #endregion
console.log(Object.keys(catalogue['channels'] as object).join(', '))
