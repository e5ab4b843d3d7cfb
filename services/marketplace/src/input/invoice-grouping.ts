import { createClosedInvoices } from './closed-invoices.ts'
import { openInvoice } from './open-invoice.ts'
import type { OpenInvoice } from './open-invoice.ts'
import type { OrderInput } from './order-input.ts'
import type { BadLine, InvoiceLine } from './order-line.ts'
import { rejected } from './rejected.ts'

/** Joins the lines of a source into orders. Each call answers what is now known for certain. */
export interface InvoiceGrouping {
  good(read: InvoiceLine): OrderInput[]
  bad(line: number, read: BadLine): OrderInput[]
  /** The source has ended. */
  end(): OrderInput[]
}

/**
 * Consecutive lines of one invoice are one order. Only a good line ends the invoice before it: a damaged line in the
 * middle of an order, its invoice number garbled too, must not cut the order in two.
 */
export function createInvoiceGrouping(rememberInvoices: number): InvoiceGrouping {
  const closed = createClosedInvoices(rememberInvoices)
  let open: OpenInvoice | undefined
  /** An invoice of which only bad lines were seen so far. */
  let spoilt: { invoice: string; line: number } | undefined

  const closeOpen = (): OrderInput[] => {
    if (open === undefined) return []
    closed.add(open.invoice, open.lastLine)
    const finished = open.finish()
    open = undefined
    return [finished]
  }
  const closeSpoilt = (): OrderInput[] => {
    if (spoilt === undefined) return []
    const { invoice, line } = spoilt
    closed.add(invoice, line)
    spoilt = undefined
    return [rejected(line, invoice, `invoice ${invoice} has no line that can be used`)]
  }

  return {
    good(read) {
      const { line } = read.line
      if (read.invoice === open?.invoice) {
        const done = closeSpoilt()
        const reason = open.add(read)
        return reason === undefined ? done : [...done, rejected(line, read.invoice, reason)]
      }
      const closedAt = closed.lineOf(read.invoice)
      if (closedAt !== undefined) {
        return [rejected(line, read.invoice, `invoice ${read.invoice} was already closed at line ${closedAt}`)]
      }
      if (spoilt?.invoice === read.invoice) spoilt = undefined
      const done = [...closeOpen(), ...closeSpoilt()]
      open = openInvoice(read)
      return done
    },
    bad(line, { invoice, reason }) {
      const rejection = rejected(line, invoice, reason)
      const known = invoice === null || invoice === open?.invoice || closed.lineOf(invoice) !== undefined
      if (known) return [rejection]
      if (spoilt?.invoice === invoice) {
        spoilt.line = line
        return [rejection]
      }
      const done = closeSpoilt()
      spoilt = { invoice, line }
      return [...done, rejection]
    },
    end: () => [...closeOpen(), ...closeSpoilt()],
  }
}
