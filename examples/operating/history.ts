import { createBus, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { z } from 'zod'

const orders = stream('orders')
const OrderPlaced = orders.message('order.placed', {
  schema: z.object({ orderId: z.string(), total: z.number() }),
  key: (order) => order.orderId,
})
const OrderPaid = orders.message('order.paid', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})

const bus = createBus({ service: 'history', store: embedded() })
const counted: string[] = []
let rate = 0

bus.group('turnover').on(OrderPlaced, ({ data }) => void counted.push(`${data.orderId} ${data.total * rate}`))
bus.group('receipts').on(OrderPaid, () => undefined)

await bus.start()
const before = await bus.history.heldSince()
for (const orderId of ['A-1', 'B-2']) {
  await bus.publishNow(OrderPlaced({ orderId, total: 10 }))
  await bus.publishNow(OrderPaid({ orderId }))
}
await eventually(() => {
  if (counted.length < 2) throw new Error('not yet')
})
counted.length = 0
rate = 2 // it was 0: what was computed with it is wrong

// #region replay
const wrong = {
  group: 'turnover',
  stream: 'orders',
  types: ['order.placed'], // default: all that the group handles of this stream
  from: before, // by the database's clock, when it was appended; `to` and `key` narrow it further
}
const { matching, known } = await bus.history.count(wrong) // changes nothing
const missed = await bus.history.replay(wrong) // what the group never took: nothing here
const again = await bus.history.replay({ ...wrong, again: true }) // and what it took: its effects happen once more
// #endregion

await eventually(() => {
  if (counted.length < 2) throw new Error('not yet')
})
console.log(`${matching} match, ${known} known; ${missed.taken} missed, ${again.taken} run again`)
console.log(counted.toSorted().join(', '))
await bus.stop()
