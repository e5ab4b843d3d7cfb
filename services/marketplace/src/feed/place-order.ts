import { excerpt, sendUntilAnswered } from './http.ts'
import type { OrderRequest } from './planned-order.ts'

/** What Orders said to an order: taken on, or refused before there was one. */
export type PlaceAnswer = { accepted: true } | { accepted: false; reason: string }

/** How long an order is posted again and again: longer than any service or the database is ever away. */
const GIVE_UP_MS = 60_000

/**
 * Posts an order until it is answered. Posting it again is safe: its id is its invoice's, and Orders gives the same
 * answer again. Rejects when nobody answered, or with what Orders had against the request itself.
 */
export async function placeOrder(
  request: OrderRequest,
  orders: readonly string[],
  signal: AbortSignal,
): Promise<PlaceAnswer> {
  const urls = orders.map((url) => `${url}/orders`)
  const { status, body } = await sendUntilAnswered(urls, {
    method: 'POST',
    body: request,
    signal,
    giveUpMs: GIVE_UP_MS,
  })
  if (status === 202) return { accepted: true }
  if (status === 409 || status === 402) return { accepted: false, reason: reasonOf(body) }
  throw new Error(`Orders answered ${status}: ${excerpt(body)}`)
}

/** Asks for an order to be cancelled. An order that is over, or was never accepted, stays as it is. */
export async function cancelOrder(orderId: string, orders: readonly string[], signal: AbortSignal): Promise<void> {
  const urls = orders.map((url) => `${url}/orders/${orderId}/cancel`)
  const { status, body } = await sendUntilAnswered(urls, { method: 'POST', signal, giveUpMs: GIVE_UP_MS })
  if (status === 202 || status === 409) return
  throw new Error(`Orders answered ${status}: ${excerpt(body)}`)
}

function reasonOf(body: unknown): string {
  const reason = typeof body === 'object' && body !== null && 'reason' in body ? body.reason : undefined
  return typeof reason === 'string' ? reason : 'without a reason'
}
