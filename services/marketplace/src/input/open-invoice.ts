import type { Cancellation, OrderLine, PlacedOrder } from './order-input.ts'
import { isCancellation } from './order-line.ts'
import type { InvoiceLine } from './order-line.ts'

/** The real file's longest invoice has 527 lines. An invoice is held in memory while it is read, so it has an end. */
const MAX_ORDER_LINES = 2_000

/** An invoice being read: begun by its first good line, which decides the customer, the country and the time. */
export interface OpenInvoice {
  readonly invoice: string
  /** The source's line that was added last. */
  readonly lastLine: number
  /** Adds a line, or answers why it cannot belong to this invoice. */
  add(read: InvoiceLine): string | undefined
  finish(): PlacedOrder | Cancellation
}

export function openInvoice(first: InvoiceLine): OpenInvoice {
  const { invoice, customerId, country, at } = first
  const lines: OrderLine[] = [first.line]
  return {
    invoice,
    get lastLine() {
      return lines.at(-1)?.line ?? first.line.line
    },
    add(read) {
      // The time may differ: a long invoice is written over several minutes.
      if (read.customerId !== customerId) return `the customer is not the one invoice ${invoice} began with`
      if (read.country !== country) return `the country is not the one invoice ${invoice} began with`
      if (lines.length === MAX_ORDER_LINES) return `invoice ${invoice} has more than ${MAX_ORDER_LINES} lines`
      lines.push(read.line)
      return undefined
    },
    finish: () =>
      isCancellation(invoice)
        ? { kind: 'cancellation', invoice, customerId, country, askedAt: at, lines }
        : { kind: 'order', invoice, customerId, country, currency: 'GBP', placedAt: at, lines },
  }
}
