import { type MessageType, type Stream, stream } from '@acuse/core'
import { z } from 'zod'

import { OrderId, Shortage, Sku } from './values.ts'

/** What Inventory says: of an order's reservation, keyed by order, and of a product's stock, keyed by sku. */
export const inventory: Stream = stream('inventory')

const byOrder = ({ orderId }: { orderId: string }): string => orderId
const bySku = ({ sku }: { sku: string }): string => sku

/** All lines of the order are reserved, until a moment of Inventory's database clock. */
export interface InventoryReserved {
  orderId: string
  /** ISO 8601, UTC. */
  expiresAt: string
}
export const InventoryReserved: MessageType<InventoryReserved> = inventory.message('inventory.reserved', {
  schema: z.object({ orderId: OrderId, expiresAt: z.iso.datetime() }),
  key: byOrder,
})

/** Nothing is reserved, because some of it is missing. */
export interface InventoryOutOfStock {
  orderId: string
  missing: Shortage[]
}
export const InventoryOutOfStock: MessageType<InventoryOutOfStock> = inventory.message('inventory.out_of_stock', {
  schema: z.object({ orderId: OrderId, missing: z.array(Shortage).min(1) }),
  key: byOrder,
})

/** What was reserved is sold. */
export interface InventoryConfirmed {
  orderId: string
}
export const InventoryConfirmed: MessageType<InventoryConfirmed> = inventory.message('inventory.confirmed', {
  schema: z.object({ orderId: OrderId }),
  key: byOrder,
})

/** What was reserved or sold is for sale again. */
export interface InventoryReleased {
  orderId: string
  reason: 'cancelled' | 'expired'
}
export const InventoryReleased: MessageType<InventoryReleased> = inventory.message('inventory.released', {
  schema: z.object({ orderId: OrderId, reason: z.enum(['cancelled', 'expired']) }),
  key: byOrder,
})

/** Inventory's note to itself, delivered when a reservation's time is over. */
export interface ReservationExpired {
  orderId: string
}
export const ReservationExpired: MessageType<ReservationExpired> = inventory.message('inventory.reservation_expired', {
  schema: z.object({ orderId: OrderId }),
  key: byOrder,
})

/** The last piece of a product is reserved. Best effort. */
export interface StockDepleted {
  sku: string
}
export const StockDepleted: MessageType<StockDepleted> = inventory.message('inventory.stock_depleted', {
  schema: z.object({ sku: Sku }),
  key: bySku,
})

/** A product of which nothing was left can be had again. Best effort. */
export interface StockReplenished {
  sku: string
  available: number
}
export const StockReplenished: MessageType<StockReplenished> = inventory.message('inventory.stock_replenished', {
  schema: z.object({ sku: Sku, available: z.number().int().min(1) }),
  key: bySku,
})
