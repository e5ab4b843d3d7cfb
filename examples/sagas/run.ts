import { createBus } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { checkout, OrderConfirmed, OrderPlaced, PaymentReceived, PaymentRequested } from './checkout.ts'

const confirmed = Promise.withResolvers<void>()

// #region run
const bus = createBus({ service: 'checkout', store: embedded() })
bus.saga(checkout)
bus.group('payments').on(PaymentRequested, ({ data }, { publish }) => void publish(PaymentReceived(data)))
bus.group('mail').on(OrderConfirmed, ({ data }) => {
  console.log(`order ${data.orderId} is confirmed`)
  confirmed.resolve()
})
await bus.start()
await bus.publishNow(OrderPlaced({ orderId: 'A-1' }))
// #endregion
await confirmed.promise
await bus.stop()
