import type { OrderInput } from './order-input.ts'

/**
 * Reads a source again and again until it gave `count` orders. From the second reading on, every invoice carries the
 * reading's number (`536365/2`), which no invoice of a source can hold, so ids stay unique. Cancellations come along
 * with each reading; rejected lines only with the first, since they are the same lines. A source without a single order
 * ends after one reading.
 *
 * `source` opens the input anew: `() => readOrders(path)`.
 */
export async function* repeatOrders(
  source: () => AsyncIterable<OrderInput>,
  count: number,
): AsyncGenerator<OrderInput> {
  let left = count
  for (let reading = 1; left > 0; reading += 1) {
    const before = left
    for await (const input of source()) {
      if (input.kind === 'rejected') {
        if (reading === 1) yield input
        continue
      }
      yield reading === 1 ? input : { ...input, invoice: `${input.invoice}/${reading}` }
      if (input.kind === 'order') left -= 1
      if (left === 0) return
    }
    if (left === before) return
  }
}
