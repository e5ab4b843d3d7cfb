import { createReadStream } from 'node:fs'

import { createInvoiceGrouping } from './invoice-grouping.ts'
import type { OrderInput } from './order-input.ts'
import { isHeader, readOrderLine } from './order-line.ts'
import { rejected } from './rejected.ts'
import { sourceLines } from './source-lines.ts'
import type { ByteSource } from './source-lines.ts'

export interface ReadOrdersOptions {
  /**
   * How many finished invoices are remembered, to refuse one that comes again. Default 100,000, about 10 MB. An
   * invoice that returns after more than that many others is taken for a new order.
   */
  rememberInvoices?: number
}

/**
 * Reads orders from CSV with the columns InvoiceNo, StockCode, Description, Quantity, InvoiceDate (MM-DD-YYYY HH:MM),
 * UnitPrice (pounds), CustomerID and Country. One invoice at most is in memory, so a file may have any size.
 *
 * Consecutive lines of one invoice are one order. A bad line comes as `rejected` and costs only itself; when no line
 * of an invoice is left, a further rejection names the invoice. An invoice that comes again after another was begun is
 * refused line by line: its order may be on its way already, so it can neither grow nor be placed twice.
 *
 * Content never throws. Reading the source may (no such file, a broken stream), with Node's own error.
 */
export async function* readOrders(
  source: string | ByteSource,
  options: ReadOrdersOptions = {},
): AsyncGenerator<OrderInput> {
  const bytes: ByteSource = typeof source === 'string' ? createReadStream(source) : source
  const grouping = createInvoiceGrouping(options.rememberInvoices ?? 100_000)

  for await (const line of sourceLines(bytes)) {
    if ('problem' in line) {
      yield rejected(line.number, null, line.problem)
      continue
    }
    if (line.text.trim() === '' || (line.number === 1 && isHeader(line.text))) continue
    const read = readOrderLine(line.number, line.text)
    yield* 'reason' in read ? grouping.bad(line.number, read) : grouping.good(read)
  }
  yield* grouping.end()
}
