import {
  InventoryConfirmed,
  InventoryOutOfStock,
  InventoryReleased,
  InventoryReserved,
  OrderCancelled,
  OrderConfirmed,
  OrderCreated,
  groupDefaults,
  ReservationExpired,
  StockDepleted,
  StockReplenished,
} from '@acuse-services/contracts'
import type { Bus, HandlerPublish } from '@acuse/core'
import type { PoolClient } from 'pg'

import { cancel, confirm, expire, reserve } from './reservations.ts'
import type { Moved } from './stock.ts'

export interface HandlerOptions {
  /** How long stock is held for an order that is not paid yet, ms. */
  readonly reservationMs: number
}

/** What Inventory does for orders. */
export function handleOrders(bus: Bus<PoolClient>, { reservationMs }: HandlerOptions): void {
  // An order's messages keep their order while one of them is retried, so a cancellation never overtakes a confirmation.
  bus
    .group({ concurrency: 7, ...groupDefaults })
    .on(OrderCreated, async ({ data: { orderId, lines } }, { tx, publish }) => {
      const result = await reserve(tx, orderId, lines, reservationMs)
      if (result.outcome === 'missing') publish(InventoryOutOfStock({ orderId, missing: [...result.missing] }))
      if (result.outcome !== 'reserved') return
      publish(InventoryReserved({ orderId, expiresAt: result.expiresAt.toISOString() }))
      publish(ReservationExpired({ orderId }), { deliverAfterMs: reservationMs })
      tellDepleted(result.moved, publish)
    })
    .on(OrderConfirmed, async ({ data: { orderId } }, { tx, publish }) => {
      if (!(await confirm(tx, orderId))) return
      publish(InventoryConfirmed({ orderId }))
    })
    .on(OrderCancelled, async ({ data: { orderId } }, { tx, publish }) => {
      const moved = await cancel(tx, orderId)
      if (moved === undefined) return
      publish(InventoryReleased({ orderId, reason: 'cancelled' }))
      tellReplenished(moved, publish)
    })
    // Comes for each order that was reserved; most are confirmed or cancelled long before, and nothing is left to do.
    .on(ReservationExpired, async ({ data: { orderId } }, { tx, publish }) => {
      const moved = await expire(tx, orderId)
      if (moved === undefined) return
      publish(InventoryReleased({ orderId, reason: 'expired' }))
      tellReplenished(moved, publish)
    })
}

function tellDepleted(moved: readonly Moved[], publish: HandlerPublish): void {
  for (const { sku, available } of moved) if (available === 0) publish(StockDepleted({ sku }), { bestEffort: true })
}

/** Only of products of which nothing was left before. */
function tellReplenished(moved: readonly Moved[], publish: HandlerPublish): void {
  for (const { sku, available, quantity } of moved) {
    if (available === quantity) publish(StockReplenished({ sku, available }), { bestEffort: true })
  }
}
