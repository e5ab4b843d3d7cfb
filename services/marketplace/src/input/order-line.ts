import { csvFields } from './csv-fields.ts'
import { MAX_DESCRIPTION, readCode, readMoment, readPence, readQuantity, readText } from './field-values.ts'
import type { OrderLine } from './order-input.ts'

export const COLUMNS: readonly string[] = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
]

/** A good line, with what it says of its invoice. */
export interface InvoiceLine {
  invoice: string
  customerId: string | null
  country: string
  at: string
  line: OrderLine
}

/** Why a line cannot be used; `invoice` is `null` when not even that could be read. */
export interface BadLine {
  invoice: string | null
  reason: string
}

/** Whether a line is the header that opens such a file. */
export function isHeader(text: string): boolean {
  return text.trim() === COLUMNS.join(',')
}

/** A cancellation's invoice begins with the letter C. */
export function isCancellation(invoice: string): boolean {
  return /^c/i.test(invoice)
}

/** Reads one line of the source. The first thing wrong with it is the reason given. */
export function readOrderLine(number: number, text: string): InvoiceLine | BadLine {
  const fields = csvFields(text)
  if (typeof fields === 'string') return { invoice: null, reason: fields }
  if (fields.length !== COLUMNS.length) {
    return { invoice: null, reason: `the line has ${fields.length} columns, not ${COLUMNS.length}` }
  }
  const [invoiceNo = '', stockCode = '', about = '', units = '', date = '', price = '', customer = '', land = ''] =
    fields.map((field) => field.trim())
  const invoice = readCode('invoice', invoiceNo)
  if ('reason' in invoice) return { invoice: null, reason: invoice.reason }

  const bad = (reason: string): BadLine => ({ invoice: invoice.value, reason })
  const sku = readCode('stock code', stockCode)
  if ('reason' in sku) return bad(sku.reason)
  const description = readText('description', about, MAX_DESCRIPTION)
  if ('reason' in description) return bad(description.reason)
  const quantity = readQuantity(units)
  if ('reason' in quantity) return bad(quantity.reason)
  const at = readMoment(date)
  if ('reason' in at) return bad(at.reason)
  const unitPriceCents = readPence(price)
  if ('reason' in unitPriceCents) return bad(unitPriceCents.reason)
  const customerId = customer === '' ? { value: null } : readCode('customer', customer)
  if ('reason' in customerId) return bad(customerId.reason)
  if (land === '') return bad('the country is missing')
  const country = readText('country', land, 60)
  if ('reason' in country) return bad(country.reason)

  if (isCancellation(invoice.value)) {
    if (quantity.value > 0) return bad('a cancellation gives back a negative quantity')
  } else if (quantity.value < 0) {
    return bad('only a cancellation has a negative quantity')
  }
  // Gifts cost nothing and are named. All nine unnamed lines of the real file cost nothing too, and have no
  // customer: somebody corrected the stock by hand, nobody ordered anything.
  if (unitPriceCents.value === 0 && description.value === '') {
    return bad('no price and no description: a stock correction, not an order')
  }
  return {
    invoice: invoice.value,
    customerId: customerId.value,
    country: country.value,
    at: at.value,
    line: {
      sku: sku.value,
      description: description.value,
      quantity: Math.abs(quantity.value),
      unitPriceCents: unitPriceCents.value,
      line: number,
    },
  }
}
