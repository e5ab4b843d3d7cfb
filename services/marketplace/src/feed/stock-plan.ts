import type { OrderInput } from '../input/order-input.ts'
import { chance } from '../random.ts'
import { goesThrough, planOrder } from './planned-order.ts'

/** Share of the orders for one of whose lines no stock is put in. */
const SHORT_SHARE = 0.06

export interface StockPlan {
  /** Units by sku. A product that is only ever asked for in vain is there with 0. */
  stock: ReadonlyMap<string, number>
  /** How many orders the input holds. */
  orders: number
}

/**
 * How much stock to begin with, so that some orders in a hundred come too late for something they want. Seen over all
 * orders, a product has what those need that go through, less one line of every sixteenth.
 */
export async function planStock(inputs: AsyncIterable<OrderInput>, seed: number): Promise<StockPlan> {
  const stock = new Map<string, number>()
  let orders = 0
  for await (const input of inputs) {
    if (input.kind !== 'order') continue
    orders += 1
    const plan = planOrder(input, seed)
    const { orderId, lines } = plan.request
    const short = chance(seed, 'short', orderId) < SHORT_SHARE
    const missing = short ? Math.floor(chance(seed, 'short line', orderId) * lines.length) : -1
    for (const [index, { sku, quantity }] of lines.entries()) {
      const wanted = goesThrough(plan) && index !== missing ? quantity : 0
      stock.set(sku, (stock.get(sku) ?? 0) + wanted)
    }
  }
  return { stock, orders }
}
