import { describe, expect, test } from 'vitest'

import { readAll, readLines, reasons } from './csv.ts'

const GOOD = '1,SKU1,Honey,2,12-01-2010 08:26,2.5,17850,Spain'
const line = (
  changes: Partial<Record<'invoice' | 'sku' | 'about' | 'units' | 'date' | 'price' | 'customer' | 'country', string>>,
): string => {
  const fields = {
    invoice: '2',
    sku: 'SKU1',
    about: 'Honey',
    units: '2',
    date: '12-01-2010 08:26',
    price: '2.5',
    customer: '17850',
    country: 'Spain',
  }
  return Object.values({ ...fields, ...changes }).join(',')
}

describe('a bad line is rejected with its reason, and its invoice with it when nothing else is left', () => {
  test.each([
    ['a quantity that is no number', { units: 'six' }, 'the quantity "six" is not a whole number'],
    ['half a unit', { units: '1.5' }, 'the quantity "1.5" is not a whole number'],
    ['no quantity', { units: '' }, 'the quantity is missing'],
    ['nothing at all', { units: '0' }, 'the quantity is zero'],
    ['an absurd quantity', { units: '80995' }, 'the quantity "80995" is beyond 10000'],
    ['a quantity beyond numbers', { units: '9'.repeat(400) }, `the quantity "${'9'.repeat(40)}…" is beyond 10000`],
    ['an order that gives back', { units: '-3' }, 'only a cancellation has a negative quantity'],
    ['a cancellation that takes', { invoice: 'C2', units: '3' }, 'a cancellation gives back a negative quantity'],
    ['no price', { price: '' }, 'the price is missing'],
    ['a negative price', { price: '-2.50' }, 'the price "-2.50" is negative'],
    ['a price that is no amount', { price: 'free' }, 'the price "free" is not an amount'],
    ['a price in another notation', { price: '1e3' }, 'the price "1e3" is not an amount'],
    ['a price finer than a penny', { price: '0.001' }, 'the price "0.001" has a fraction of a penny'],
    ['an absurd price', { price: '100000.00' }, 'the price "100000.00" is above 99999.99'],
    ['nothing for nobody', { price: '0', about: '' }, 'no price and no description: a stock correction, not an order'],
    ['month 13, day 45', { date: '13-45-2010 10:00' }, 'the date "13-45-2010 10:00" is not in the calendar'],
    ['30 February', { date: '02-30-2010 10:00' }, 'the date "02-30-2010 10:00" is not in the calendar'],
    [
      '29 February of a common year',
      { date: '02-29-2011 10:00' },
      'the date "02-29-2011 10:00" is not in the calendar',
    ],
    ['hour 24', { date: '12-01-2010 24:00' }, 'the date "12-01-2010 24:00" is not in the calendar'],
    [
      'another notation of the date',
      { date: '2010-12-01T08:26' },
      'the date "2010-12-01T08:26" is not MM-DD-YYYY HH:MM',
    ],
    ['no stock code', { sku: ' ' }, 'the stock code is missing'],
    ['a stock code no shop has', { sku: 'A<B' }, 'the stock code "A<B" has characters no code has'],
    ['a long stock code', { sku: 'A'.repeat(33) }, 'the stock code is longer than 32 characters'],
    ['a long description', { about: 'x'.repeat(201) }, 'the description is longer than 200 characters'],
    ['an odd customer', { customer: '17850/1' }, 'the customer "17850/1" has characters no code has'],
    ['no country', { country: '' }, 'the country is missing'],
    ['a long country', { country: 'x'.repeat(61) }, 'the country is longer than 60 characters'],
  ])('%s', async (_, changes, reason) => {
    const invoice = 'invoice' in changes ? changes.invoice : '2'
    expect(await readLines(GOOD, line(changes))).toEqual([
      { kind: 'rejected', line: 3, invoice, reason },
      expect.objectContaining({ kind: 'order', invoice: '1' }),
      { kind: 'rejected', line: 3, invoice, reason: `invoice ${invoice} has no line that can be used` },
    ])
  })
})

describe('a line whose invoice cannot be read is rejected alone', () => {
  test.each([
    ['too few columns', '2,SKU1,Honey', 'the line has 3 columns, not 8'],
    ['too many columns', `${line({})},more`, 'the line has 9 columns, not 8'],
    ['no invoice', line({ invoice: '' }), 'the invoice is missing'],
    ['an invoice with a slash', line({ invoice: '2/2' }), 'the invoice "2/2" has characters no code has'],
    ['an open quote', line({ about: '"Honey' }), 'a quote is opened and not closed'],
    ['text behind a quote', line({ about: '"Honey" jar' }), 'text follows a closing quote'],
    ['a NUL', line({ about: 'Ho\u0000ney' }), 'the line holds the control character U+0000'],
    ['an escape sequence', line({ about: '\u001b[31mHoney' }), 'the line holds the control character U+001B'],
    ['a line without end', line({ about: 'x'.repeat(9_000) }), 'the line is longer than 8192 bytes'],
  ])('%s', async (_, bad, reason) => {
    const read = await readLines(GOOD, bad, '1,SKU2,Oil,1,12-01-2010 08:26,4.25,17850,Spain')
    expect(read).toEqual([
      { kind: 'rejected', line: 3, invoice: null, reason },
      expect.objectContaining({
        kind: 'order',
        invoice: '1',
        lines: [expect.anything(), expect.objectContaining({ line: 4 })],
      }),
    ])
  })

  test('bytes that are not UTF-8', async () => {
    const read = await readAll(
      Buffer.concat([Buffer.from(`${GOOD}\n1,SKU1,`), Buffer.from([0xc3, 0x28]), Buffer.from(`,rest\n${GOOD}\n`)]),
    )
    expect(reasons(read)).toEqual(['the line is not valid UTF-8'])
    expect(read.at(-1)).toMatchObject({ kind: 'order', lines: [{ line: 1 }, { line: 3 }] })
  })
})
