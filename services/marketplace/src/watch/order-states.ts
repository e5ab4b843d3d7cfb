import type { Database } from '../database/database.ts'

/** How many orders there are, by how far they are. */
export interface OrderStates {
  completed: number
  cancelled: number
  /** Everything that is not final. */
  open: number
}

export async function readOrderStates(orders: Database): Promise<OrderStates> {
  const [row] = await orders.query<Record<keyof OrderStates, number>>(
    `select count(*) filter (where state = 'completed')::int as completed,
       count(*) filter (where state = 'cancelled')::int as cancelled,
       count(*) filter (where state not in ('completed', 'cancelled'))::int as open from orders`,
  )
  return row ?? { completed: 0, cancelled: 0, open: 0 }
}
