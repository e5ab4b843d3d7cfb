import {
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReleased,
  InventoryReserved,
  OrderCancelled,
  OrderCancelRequested,
  OrderCompleted,
  OrderConfirmed,
  OrderCreated,
  PaymentCancelled,
  PaymentProcessed,
  PaymentRefunded,
  PaymentRefused,
  PaymentRequested,
  ReservationExpired,
} from '@acuse-services/contracts'

/** A group, the service it runs in, and the types it is to apply. */
export interface Subscription {
  service: 'orders' | 'inventory' | 'payments'
  grp: string
  types: readonly string[]
}

/**
 * Who is to apply what. Written down here and not read from the services: a handler that is missing there would otherwise
 * be missing here too, and its messages not count as lost. A group that applies more than this is found as well.
 */
export const SUBSCRIPTIONS: readonly Subscription[] = [
  {
    service: 'inventory',
    grp: 'inventory',
    types: names(OrderCreated, OrderConfirmed, OrderCancelled, ReservationExpired),
  },
  { service: 'payments', grp: 'payments', types: names(PaymentRequested, OrderCancelled) },
  {
    service: 'payments',
    grp: 'payments.book',
    types: names(PaymentProcessed, PaymentRefused, PaymentRefunded, PaymentCancelled),
  },
  {
    service: 'orders',
    grp: 'orders',
    types: names(InventoryReserved, PaymentRequested, OrderConfirmed, OrderCompleted, OrderCancelled),
  },
  {
    service: 'orders',
    grp: 'saga.checkout',
    types: names(
      OrderCreated,
      OrderCancelRequested,
      InventoryReserved,
      InventoryOutOfStock,
      InventoryConfirmed,
      InventoryReleased,
      PaymentProcessed,
      PaymentRefused,
      PaymentRefunded,
      PaymentCancelled,
    ),
  },
]

function names(...types: readonly { name: string }[]): string[] {
  return types.map(({ name }) => name)
}
