import type { Counted } from '../contestants/contestant.ts'
import { itemOf } from '../payload.ts'
import { Tally } from '../loops.ts'
import type { CheckoutSlice, OrderFlow } from './roles.ts'

export interface Order {
  readonly orderId: string
  readonly sku: string
  readonly quantity: number
}

/** Places orders, `atOnce` under way, and counts those confirmed. */
export async function placeOrders(
  flow: OrderFlow,
  { ms, warmMs, atOnce }: CheckoutSlice,
  create: (order: Order) => Promise<void>,
): Promise<Counted> {
  const tally = new Tally({ ms, warmMs })
  let n = 0
  const loop = async (): Promise<void> => {
    while (!tally.isOver) {
      const { orderId, sku, quantity } = itemOf(n++, 0).payload
      const confirmed = flow.place(orderId)
      await create({ orderId, sku, quantity })
      await confirmed
      tally.add()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, loop))
  return tally.result
}
