import { COLUMNS } from '../../src/input/order-line.ts'
import type { Cancellation, OrderInput, PlacedOrder } from '../../src/input/order-input.ts'
import { readOrders } from '../../src/input/read-orders.ts'

export const HEADER: string = COLUMNS.join(',')

/** Reads everything a text or some bytes hold, handed over in pieces of a given size. */
export async function readAll(source: string | Uint8Array, pieceBytes = 64): Promise<OrderInput[]> {
  const bytes = typeof source === 'string' ? Buffer.from(source) : source
  return collect(readOrders(pieces(bytes, pieceBytes)))
}

/** Everything an iterable yields. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

/** The lines below a header, read. */
export async function readLines(...lines: string[]): Promise<OrderInput[]> {
  return readAll([HEADER, ...lines].join('\n'))
}

export function reasons(inputs: readonly OrderInput[]): string[] {
  return inputs.filter((input) => input.kind === 'rejected').map((input) => input.reason)
}

/** Writes orders as the CSV they would have come from. */
export function toCsv(inputs: readonly (PlacedOrder | Cancellation)[]): string {
  const rows = inputs.flatMap((input) => {
    const sign = input.kind === 'order' ? '' : '-'
    const at = input.kind === 'order' ? input.placedAt : input.askedAt
    return input.lines.map((line) =>
      [
        input.invoice,
        line.sku,
        line.description,
        `${sign}${line.quantity}`,
        `${at.slice(5, 7)}-${at.slice(8, 10)}-${at.slice(0, 4)} ${at.slice(11, 16)}`,
        `${Math.floor(line.unitPriceCents / 100)}.${String(line.unitPriceCents % 100).padStart(2, '0')}`,
        input.customerId ?? '',
        input.country,
      ]
        .map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
        .join(','),
    )
  })
  return `\u{feff}${HEADER}\r\n${rows.map((row) => `${row}\r\n`).join('')}`
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
