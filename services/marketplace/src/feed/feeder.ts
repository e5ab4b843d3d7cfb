import { setTimeout as delay } from 'node:timers/promises'

import { messageOf } from '@acuse/core'

import type { Cancellation, OrderInput, PlacedOrder, RejectedLine } from '../input/order-input.ts'
import { createCustomers } from './customers.ts'
import { createPace } from './pace.ts'
import { cancelOrder, placeOrder } from './place-order.ts'
import type { PlaceAnswer } from './place-order.ts'
import { planOrder } from './planned-order.ts'
import type { PlannedOrder } from './planned-order.ts'

export interface FeedOptions {
  inputs: AsyncIterable<OrderInput>
  seed: number
  /** Where Orders is; the first is asked first. */
  orders: readonly string[]
  concurrency: number
  ratePerSecond: number | null
  /** Settles when there is room for one more order. Default: always. */
  room?: () => Promise<void>
  /** Ends the feeding; `feed` then rejects with its reason. */
  signal: AbortSignal
  onPlaced: (order: PlannedOrder, answer: PlaceAnswer) => Promise<void>
  onRejected: (line: RejectedLine) => void
  /** An order or a cancellation that nobody took, in a sentence. */
  onFailed: (what: string) => void
}

/** Places all orders of the input, and cancels some. Settles when the last of them was answered. */
export async function feed(options: FeedOptions): Promise<void> {
  const { inputs, seed, orders, concurrency, room, signal, onPlaced, onRejected, onFailed } = options
  const customers = createCustomers()
  const pace = createPace(options.ratePerSecond, signal)
  const cancelling = new Set<Promise<void>>()

  const cancel = async (orderId: string): Promise<void> => {
    try {
      await cancelOrder(orderId, orders, signal)
    } catch (error) {
      signal.throwIfAborted()
      onFailed(`order ${orderId} could not be cancelled: ${messageOf(error)}`)
    }
  }
  const place = async (order: PlannedOrder): Promise<boolean> => {
    const answer = await placeOrder(order.request, orders, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      onFailed(`order ${order.request.orderId} (invoice ${order.invoice}) could not be placed: ${messageOf(error)}`)
    })
    if (answer === undefined) return false
    await onPlaced(order, answer)
    return answer.accepted
  }
  const cancelLater = (orderId: string, afterMs: number): void => {
    const cancelled = delay(afterMs, undefined, { signal })
      .then(() => cancel(orderId))
      // Only the end of the feeding gets here, and that rejects by itself below.
      .catch(() => undefined)
      .finally(() => cancelling.delete(cancelled))
    cancelling.add(cancelled)
  }
  const takeOrder = async (input: PlacedOrder): Promise<void> => {
    const order = planOrder(input, seed)
    const accepted = Promise.all([pace(), room?.()]).then(() => place(order))
    // The customer may cancel as soon as the input says so; whoever does waits for the answer.
    customers.placed(order.request.customerId, order.request.orderId, accepted)
    const isOrder = await accepted
    if (isOrder && order.cancelAfterMs !== null) cancelLater(order.request.orderId, order.cancelAfterMs)
  }
  const takeCancellation = async ({ customerId }: Cancellation): Promise<void> => {
    const last = customers.takeLast(customerId)
    if (last !== undefined && (await last.accepted)) await cancel(last.orderId)
  }

  const iterator = inputs[Symbol.asyncIterator]()
  const work = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const { value: input, done } = await iterator.next()
      if (done === true) return
      if (input.kind === 'rejected') onRejected(input)
      else if (input.kind === 'order') await takeOrder(input)
      else await takeCancellation(input)
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, work))
  } finally {
    // Lets go of the input's file where it was not read to its end.
    await iterator.return?.()
  }
  while (cancelling.size > 0) await Promise.all(cancelling)
  signal.throwIfAborted()
}
