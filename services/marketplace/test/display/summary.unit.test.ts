import { expect, test } from 'vitest'

import { coloured, paintFor, plain } from '../../src/display/paint.ts'
import { formatSummary, summaryJson } from '../../src/display/summary.ts'
import { good, wrong } from './states.ts'

test('a run in which all is well', () => {
  expect(formatSummary(good, plain)).toMatchInlineSnapshot(`
    "All is well: 2,000 orders in 1 min 32 s, 3 kills, 3 restarts

    Orders
      confirmed          1,639 ████████████████████████████████
      out of stock         120 ██▍
      payment refused       96 █▉
      payment timed out     24 ▌
      cancelled             80 █▌
      expired                1 ▏
      not accepted          40 ▊
      open                   0
      input              18 lines could not be used

    Messages
      transport          RabbitMQ 4.0.5
      published          11,250
      applied            18,400 (199/s)
      failures           310 retries, 0 dead letters
      commit to effect   p50 6.2 ms, p95 19 ms, p99 45 ms, max 1,250 ms (18,400 measured)
      correctness        0 lost, 0 duplicated, 0 out of order

    Balances
      money              £881,234.05 charged, £1,234.00 refunded, 0 double charges
                         £880,000.05 confirmed: balanced
      stock              457,690 available, 0 reserved, 42,310 sold
                         500,000 at first: balanced

    Addresses
      orders             http://127.0.0.1:4001
      inventory          http://127.0.0.1:4002
      payments           http://127.0.0.1:4003
      gateway            http://127.0.0.1:4004
    "
  `)
})

test('a run in which something is wrong', () => {
  expect(formatSummary(wrong, plain)).toMatchInlineSnapshot(`
    "Something is wrong: 2,000 orders in 1 min 32 s, 3 kills, 3 restarts
      ✗ order 536365: charged twice (ch_1, ch_2)
      ✗ 1 unit of 85123A is missing

    Orders
      confirmed          1,639 ████████████████████████████████
      out of stock         120 ██▍
      payment refused       96 █▉
      payment timed out     24 ▌
      cancelled             80 █▌
      expired                1 ▏
      not accepted          40 ▊
      open                   0
      input              18 lines could not be used

    Messages
      transport          RabbitMQ 4.0.5
      published          11,250
      applied            18,400 (199/s)
      failures           310 retries, 0 dead letters
      commit to effect   not measured
      correctness        1 lost, 0 duplicated, 0 out of order

    Balances
      money              £881,234.05 charged, £1,234.00 refunded, 1 double charge
                         £880,000.05 confirmed: not balanced
      stock              457,689 available, 0 reserved, 42,310 sold
                         500,000 at first: not balanced

    Addresses
      orders             http://127.0.0.1:4001
      inventory          http://127.0.0.1:4002
      payments           http://127.0.0.1:4003
      gateway            http://127.0.0.1:4004
    "
  `)
})

test('a run without a single order', () => {
  const none = Object.fromEntries(Object.keys(good.orders).map((state) => [state, 0]))
  const text = formatSummary(
    { ...good, orders: { ...good.orders, ...none }, seconds: 0, messages: { published: 0, applied: 0 } },
    plain,
  )
  expect(text).toContain('0 orders in 0 s')
  expect(text).not.toMatch(/NaN|Infinity/)
})

test('for a program it is JSON on one line', () => {
  expect(summaryJson(wrong)).not.toContain('\n')
  expect(JSON.parse(summaryJson(wrong))).toEqual(wrong)
})

test('colour needs a terminal that shows colours and nobody who said NO_COLOR', () => {
  expect(paintFor({ isTTY: true }, { TERM: 'xterm' })).toBe(coloured)
  expect(paintFor({ isTTY: true }, { TERM: 'xterm', NO_COLOR: '' })).toBe(coloured)
  expect(paintFor({ isTTY: true }, { TERM: 'xterm', NO_COLOR: '1' })).toBe(plain)
  expect(paintFor({ isTTY: true }, { TERM: 'dumb' })).toBe(plain)
  expect(paintFor({}, { TERM: 'xterm' })).toBe(plain)
  expect(coloured('red', 'lost')).toBe('\u001b[31mlost\u001b[39m')
})
