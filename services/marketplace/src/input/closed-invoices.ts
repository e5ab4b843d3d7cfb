/** Invoices that are done with, and the line they ended at; the oldest are forgotten past a limit. */
export interface ClosedInvoices {
  add(invoice: string, line: number): void
  lineOf(invoice: string): number | undefined
}

export function createClosedInvoices(limit: number): ClosedInvoices {
  const lines = new Map<string, number>()
  return {
    add(invoice, line) {
      lines.set(invoice, line)
      if (lines.size <= limit) return
      const oldest = lines.keys().next().value
      if (oldest !== undefined) lines.delete(oldest)
    },
    lineOf: (invoice) => lines.get(invoice),
  }
}
