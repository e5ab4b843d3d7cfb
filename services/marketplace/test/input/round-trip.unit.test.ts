import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Cancellation, OrderLine, PlacedOrder } from '../../src/input/order-input.ts'
import { HEADER, readAll, toCsv } from './csv.ts'

const code = fc.stringMatching(/^[A-Za-z0-9][\w.-]{0,31}$/)
const printable = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: 'grapheme', maxLength })
    .map((text) => text.replace(/[^\P{Cc}\t]|[\u{feff}\p{Cs}]/gu, '').trim())
    .filter((text) => text.length <= maxLength)
const customer = fc.option(code, { nil: null })
const moment = fc
  .date({ min: new Date('1990-01-01T00:00:00Z'), max: new Date('2099-12-31T23:59:00Z'), noInvalidDate: true })
  .map((date) => `${date.toISOString().slice(0, 16)}:00.000Z`)
const country = fc.constantFrom('Spain', 'Mexico', 'Bosnia, and more', 'Côte "d’Ivoire"')
const line = fc
  .record({
    sku: code,
    description: printable(60),
    quantity: fc.integer({ min: 1, max: 10_000 }),
    unitPriceCents: fc.integer({ min: 0, max: 9_999_999 }),
    line: fc.constant(0),
  })
  .filter((one) => one.unitPriceCents > 0 || one.description !== '')
const lines = fc.array(line, { minLength: 1, maxLength: 5 })
const order: fc.Arbitrary<PlacedOrder> = fc.record({
  kind: fc.constant('order'),
  invoice: code.filter((invoice) => !/^c/i.test(invoice)),
  customerId: customer,
  country,
  currency: fc.constant('GBP'),
  placedAt: moment,
  lines,
})
const cancellation: fc.Arbitrary<Cancellation> = fc.record({
  kind: fc.constant('cancellation'),
  invoice: code.map((invoice) => `C${invoice.slice(1)}`),
  customerId: customer,
  country,
  askedAt: moment,
  lines,
})
const inputs = fc.uniqueArray(fc.oneof(order, cancellation), { selector: (input) => input.invoice, maxLength: 12 })

test('orders written as CSV read back as they were, however the bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(inputs, fc.integer({ min: 1, max: 200 }), async (written, pieceBytes) => {
      expect(await readAll(toCsv(written), pieceBytes)).toEqual(numbered(written))
    }),
  )
})

test('no bytes whatever make reading throw', async () => {
  const garbage = fc.uint8Array({ maxLength: 400 })
  const hostile = fc
    .array(
      fc.constantFrom(
        '"',
        ',',
        '\n',
        '\r',
        '\u{feff}',
        '\u0000',
        HEADER,
        'C1',
        '-1',
        '1',
        '12-01-2010 08:26',
        '2.5',
        'Spain',
        '\u{1f36f}',
      ),
    )
    .map((parts) => Buffer.from(parts.join('')))
  const damaged = fc.tuple(inputs, garbage, fc.nat()).map(([written, noise, where]) => {
    const bytes = Buffer.from(toCsv(written))
    const at = where % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)])
  })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(garbage, hostile, damaged),
      fc.integer({ min: 1, max: 50 }),
      async (bytes, pieceBytes) => {
        const read = await readAll(bytes, pieceBytes)
        expect(read.filter((input) => input.kind !== 'rejected' && input.lines.length === 0)).toEqual([])
      },
    ),
  )
})

function numbered(written: readonly (PlacedOrder | Cancellation)[]): (PlacedOrder | Cancellation)[] {
  let next = 2
  const number = (one: OrderLine): OrderLine => ({ ...one, line: next++ })
  return written.map((input) => ({ ...input, lines: input.lines.map(number) }))
}
