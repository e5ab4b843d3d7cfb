import type { Database } from '../database/database.ts'
import type { PlaceAnswer } from '../feed/place-order.ts'
import type { PlannedOrder } from '../feed/planned-order.ts'

/** So many orders are written at once; until then they are in memory. */
const BATCH = 200

/** Writes down what was posted to Orders and what it said, for the audit to hold against what became of it. */
export interface PlacedRecord {
  add: (order: PlannedOrder, answer: PlaceAnswer) => Promise<void>
  /** Writes what is left. */
  flush: () => Promise<void>
}

export function recordPlaced(audit: Database): PlacedRecord {
  let waiting: { order: PlannedOrder; answer: PlaceAnswer }[] = []

  const flush = async (): Promise<void> => {
    const batch = waiting
    waiting = []
    if (batch.length === 0) return
    const orders = batch.map(({ order, answer }) => ({
      order_id: order.request.orderId,
      invoice: order.invoice,
      total_cents: order.totalCents,
      accepted: answer.accepted,
      reason: answer.accepted ? null : answer.reason,
    }))
    const lines = batch.flatMap(({ order: { request } }) =>
      request.lines.map(({ sku, quantity }, index) => ({ order_id: request.orderId, line: index + 1, sku, quantity })),
    )
    // The server may be restarted meanwhile, and the statement run again.
    await audit.query(
      `with placed_now as (
         insert into placed select * from json_populate_recordset(null::placed, $1) on conflict do nothing
       )
       insert into placed_line select * from json_populate_recordset(null::placed_line, $2) on conflict do nothing`,
      [JSON.stringify(orders), JSON.stringify(lines)],
    )
  }
  return {
    async add(order, answer) {
      waiting.push({ order, answer })
      if (waiting.length >= BATCH) await flush()
    },
    flush,
  }
}
