import {
  InventoryReserved,
  OrderCancelled,
  OrderCompleted,
  OrderConfirmed,
  PaymentRequested,
  groupDefaults,
} from '@acuse-services/contracts'
import type { HandlerContext, Message } from '@acuse/core'
import { Group, On } from '@acuse/nestjs'
import { Injectable } from '@nestjs/common'
import type { PoolClient } from 'pg'

import { moveOn } from './order-table.ts'

type Context = HandlerContext<PoolClient>

/** Keeps the table of orders at what the checkout has said of them. */
@Group({ concurrency: 4, ...groupDefaults })
@Injectable()
export class OrderProgress {
  @On(InventoryReserved)
  async reserved({ data }: Message<InventoryReserved>, { tx }: Context): Promise<void> {
    await moveOn(tx, data.orderId, 'reserved')
  }

  @On(PaymentRequested)
  async paying({ data }: Message<PaymentRequested>, { tx }: Context): Promise<void> {
    await moveOn(tx, data.orderId, 'paying')
  }

  @On(OrderConfirmed)
  async confirmed({ data }: Message<OrderConfirmed>, { tx }: Context): Promise<void> {
    await moveOn(tx, data.orderId, 'confirmed')
  }

  @On(OrderCompleted)
  async completed({ data }: Message<OrderCompleted>, { tx }: Context): Promise<void> {
    await moveOn(tx, data.orderId, 'completed')
  }

  @On(OrderCancelled)
  async cancelled({ data }: Message<OrderCancelled>, { tx }: Context): Promise<void> {
    await moveOn(tx, data.orderId, 'cancelled', data.reason)
  }
}
