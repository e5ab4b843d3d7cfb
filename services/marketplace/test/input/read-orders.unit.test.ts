import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

import { readOrders } from '../../src/input/read-orders.ts'
import { HEADER, collect, readAll, readLines, reasons } from './csv.ts'

const of = (invoice: string, sku: string, rest = '2,12-01-2010 08:26,2.5,17850,Spain'): string =>
  `${invoice},${sku},Thing,${rest}`

describe('an order', () => {
  test('is the consecutive lines of one invoice', async () => {
    const text =
      `\u{feff}${HEADER}\r\n` +
      '536370,22728,"ALARM CLOCK, ""BAKELIKE"" 7"" PINK ",24,12-01-2010 08:45,3.75,12583,France\r\n' +
      '536370,POST,POSTAGE,3,12-01-2010 08:46,18,12583,France\r\n' +
      '\r\n' +
      '536371,22086,FRAME 7" SIZE,80,12-01-2010 09:00,2.5,,United Kingdom'
    expect(await readAll(text, 3)).toEqual([
      {
        kind: 'order',
        invoice: '536370',
        customerId: '12583',
        country: 'France',
        currency: 'GBP',
        placedAt: '2010-12-01T08:45:00.000Z',
        lines: [
          { sku: '22728', description: 'ALARM CLOCK, "BAKELIKE" 7" PINK', quantity: 24, unitPriceCents: 375, line: 2 },
          { sku: 'POST', description: 'POSTAGE', quantity: 3, unitPriceCents: 1800, line: 3 },
        ],
      },
      {
        kind: 'order',
        invoice: '536371',
        customerId: null,
        country: 'United Kingdom',
        currency: 'GBP',
        placedAt: '2010-12-01T09:00:00.000Z',
        lines: [{ sku: '22086', description: 'FRAME 7" SIZE', quantity: 80, unitPriceCents: 250, line: 5 }],
      },
    ])
  })

  test('may hold a gift: a named product at no price', async () => {
    expect(await readLines('1,GIFT,Tasting spoon,1,12-01-2010 08:26,0,,Spain')).toMatchObject([
      { lines: [{ unitPriceCents: 0 }] },
    ])
  })

  test('keeps its good lines when others are bad', async () => {
    const read = await readLines(of('1', 'A'), of('1', 'B', '0,12-01-2010 08:26,2.5,17850,Spain'), of('1', 'C'))
    expect(reasons(read)).toEqual(['the quantity is zero'])
    expect(read.at(-1)).toMatchObject({ kind: 'order', lines: [{ sku: 'A' }, { sku: 'C' }] })
  })

  test('is not cut in two by a damaged line that names another invoice', async () => {
    const read = await readLines(of('1', 'A'), of('l', 'B', 'x,12-01-2010 08:26,2.5,17850,Spain'), of('1', 'C'))
    expect(reasons(read)).toEqual(['the quantity "x" is not a whole number', 'invoice l has no line that can be used'])
    expect(read.at(-1)).toMatchObject({ kind: 'order', lines: [{ sku: 'A' }, { sku: 'C' }] })
  })

  test('may begin with a bad line', async () => {
    const read = await readLines(of('1', 'A'), of('2', 'B', 'x,12-01-2010 08:26,2.5,17850,Spain'), of('2', 'C'))
    expect(reasons(read)).toEqual(['the quantity "x" is not a whole number'])
    expect(read.filter((input) => input.kind === 'order').map((order) => order.invoice)).toEqual(['1', '2'])
  })

  test('has one customer and one country', async () => {
    const read = await readLines(
      of('1', 'A'),
      of('1', 'B', '2,12-01-2010 08:26,2.5,17851,Spain'),
      of('1', 'C', '2,12-01-2010 08:26,2.5,17850,Peru'),
    )
    expect(reasons(read)).toEqual([
      'the customer is not the one invoice 1 began with',
      'the country is not the one invoice 1 began with',
    ])
    expect(read.at(-1)).toMatchObject({ customerId: '17850', country: 'Spain', lines: [{ sku: 'A' }] })
  })

  test('has 2,000 lines at most', async () => {
    const read = await readLines(...Array.from({ length: 2_001 }, (_, index) => of('1', `S${index}`)))
    expect(reasons(read)).toEqual(['invoice 1 has more than 2000 lines'])
    expect(read.at(-1)).toMatchObject({ lines: { length: 2_000 } })
  })
})

describe('a cancellation', () => {
  test('gives back units, counted upwards', async () => {
    expect(await readLines(of('C536391', '22556', '-12,12-01-2010 10:24,1.65,17548,Chile'))).toEqual([
      {
        kind: 'cancellation',
        invoice: 'C536391',
        customerId: '17548',
        country: 'Chile',
        askedAt: '2010-12-01T10:24:00.000Z',
        lines: [{ sku: '22556', description: 'Thing', quantity: 12, unitPriceCents: 165, line: 2 }],
      },
    ])
  })
})

describe('an invoice that comes again', () => {
  test('is refused line by line, and does not end the one being read', async () => {
    const read = await readLines(of('1', 'A'), of('2', 'A'), of('1', 'B'), of('1', 'C'), of('2', 'B'))
    expect(reasons(read)).toEqual(['invoice 1 was already closed at line 2', 'invoice 1 was already closed at line 2'])
    expect(read.filter((input) => input.kind === 'order')).toMatchObject([
      { invoice: '1', lines: [{ sku: 'A' }] },
      { invoice: '2', lines: [{ sku: 'A' }, { sku: 'B' }] },
    ])
  })

  test('is refused too when none of its lines could be used before', async () => {
    const read = await readLines(of('1', 'A', 'x,12-01-2010 08:26,2.5,,Spain'), of('2', 'A'), of('1', 'A'))
    expect(reasons(read).at(-1)).toBe('invoice 1 was already closed at line 2')
  })

  test('is taken for a new order once it is forgotten', async () => {
    const lines = ['1', '2', '3', '1'].map((invoice) => `${of(invoice, 'A')}\n`)
    async function* source(): AsyncGenerator<string> {
      yield* lines
    }
    const read = await collect(readOrders(source(), { rememberInvoices: 1 }))
    expect(read.map((input) => input.invoice)).toEqual(['1', '2', '3', '1'])
  })
})

describe('a source', () => {
  test('without a header is read from its first line', async () => {
    expect(await readAll(of('1', 'A'))).toMatchObject([{ kind: 'order', lines: [{ line: 1 }] }])
  })

  test('with nothing in it gives nothing', async () => {
    expect(await readAll('')).toEqual([])
    expect(await readAll(`${HEADER}\n`)).toEqual([])
  })

  test('that does not exist throws', async () => {
    await expect(collect(readOrders('/nowhere/orders.csv'))).rejects.toThrow('ENOENT')
  })
})

test('the sample that comes with the marketplace', async () => {
  const read = await collect(readOrders(fileURLToPath(new URL('../../data/sample-orders.csv', import.meta.url))))
  const count = (kind: string): number => read.filter((input) => input.kind === kind).length
  expect({ orders: count('order'), cancellations: count('cancellation') }).toEqual({ orders: 40, cancellations: 2 })
  expect(reasons(read)).toMatchInlineSnapshot(`
    [
      "the quantity is zero",
      "a quote is opened and not closed",
      "the date "02-30-2026 09:15" is not in the calendar",
      "only a cancellation has a negative quantity",
      "the quantity "99999999" is beyond 10000",
      "the line has 3 columns, not 8",
      "the price "twenty-seven" is not an amount",
      "no price and no description: a stock correction, not an order",
      "invoice 70136 has no line that can be used",
      "invoice 70103 was already closed at line 7",
      "the invoice is missing",
    ]
  `)
})
