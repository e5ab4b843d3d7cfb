import { expect, test } from 'vitest'

import { coloured } from '../../src/display/paint.ts'
import { bar, render, renderLine } from '../../src/display/render.ts'
import { busy } from './states.ts'

test('the live block', () => {
  expect(render(busy, 80).join('\n')).toMatchInlineSnapshot(`
    "orders   ███████████████          1,250 of 2,000 placed in 1 min 15 s
             1,100 confirmed · 90 cancelled · 3 failed
    messages 1,481/s · 1 retry · 2 dead letters · 1 fault
    services ● orders  ◐ inventory starting  ○ payments down"
  `)
})

test('no line is wider than the terminal, colours aside', () => {
  const narrow = render(busy, 20)
  expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(20)
  const escape = new RegExp(String.raw`\u001b\[\d+m`, 'g')
  expect(render(busy, 20, coloured).map((line) => line.replace(escape, '').trimEnd())).toEqual(narrow)
})

test('one line for a log', () => {
  expect(renderLine(busy)).toMatchInlineSnapshot(
    `"1 min 15 s, placed 1250/2000, confirmed 1100, cancelled 90, failed 3, 1481 messages/s, retries 1, dead letters 2, faults 1, inventory starting, payments down"`,
  )
  expect(renderLine({ ...busy, orders: { ...busy.orders, total: null }, services: [] })).toMatchInlineSnapshot(
    `"1 min 15 s, placed 1250, confirmed 1100, cancelled 90, failed 3, 1481 messages/s, retries 1, dead letters 2, faults 1"`,
  )
})

test('the end of the input may be unknown', () => {
  expect(render({ ...busy, orders: { ...busy.orders, total: null } }, 80)[0]).toMatchInlineSnapshot(
    `"orders                            1,250 placed in 1 min 15 s"`,
  )
})

test('a bar is exact to an eighth of a column and stays within its width', () => {
  expect([0, 0.25, 0.3, 1, 7, -1].map((share) => bar(share, 4))).toEqual([
    '    ',
    '█   ',
    '█▎  ',
    '████',
    '████',
    '    ',
  ])
})
