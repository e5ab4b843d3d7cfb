import { beforeEach, expect, test } from 'vitest'

import { createProgress } from '../../src/display/progress.ts'
import type { Progress, ProgressClock } from '../../src/display/progress.ts'
import type { ProgressState } from '../../src/display/render.ts'
import { busy } from './states.ts'

const written: string[] = []
let time = 0
let due: { at: number; task: () => void } | undefined

const clock: ProgressClock = {
  now: () => time,
  after(ms, task) {
    due = { at: time + ms, task }
    return () => {
      due = undefined
    }
  },
}

beforeEach(() => {
  written.length = 0
  time = 0
  due = undefined
})

const display = (isTTY: boolean): Progress =>
  createProgress({ write: (text) => written.push(text), isTTY, columns: 100 }, clock)
const placed = (count: number): ProgressState => ({ ...busy, orders: { ...busy.orders, placed: count } })

function pass(ms: number): void {
  for (const end = time + ms; time < end; time += 10) {
    if (due !== undefined && due.at <= time) {
      const { task } = due
      due = undefined
      task()
    }
  }
}

test('a terminal is redrawn five times a second at most, in place, and the newest state wins', () => {
  const progress = display(true)
  for (let count = 0; count < 100; count += 1) {
    progress.update(placed(count))
    pass(10)
  }
  progress.end()
  expect(written.length).toBeLessThanOrEqual(6)
  expect(written[0]).not.toContain('\u001b[4A')
  expect(written.slice(1).every((text) => text.startsWith('\u001b[4A\u001b[0J'))).toBe(true)
  expect(written.at(-1)).toContain('99 of 2,000 placed')
})

test('elsewhere there is a plain line every two seconds at most', () => {
  const progress = display(false)
  for (let count = 0; count < 500; count += 1) {
    progress.update(placed(count))
    pass(10)
  }
  progress.end()
  expect(written).toHaveLength(4)
  expect(written.every((text) => /^1 min 15 s, placed \d+\/2000, .*\n$/.test(text))).toBe(true)
  expect(written.at(-1)).toContain('placed 499/2000')
})

test('a note stands above the live block', () => {
  const progress = display(true)
  progress.note('starting')
  progress.update(placed(1))
  progress.note('killed inventory')
  expect(written[0]).toBe('starting\n')
  expect(written[2]).toBe('\u001b[4A\u001b[0Jkilled inventory\n')
  expect(written[3]).toContain('1 of 2,000 placed')
  expect(written).toHaveLength(4)
})

test('a note in a log is a line like any other', () => {
  const progress = display(false)
  progress.update(placed(1))
  progress.note('killed inventory')
  expect(written).toHaveLength(2)
  expect(written[1]).toBe('killed inventory\n')
})

test('nothing is written after the end, nor without a state', () => {
  const silent = display(true)
  silent.end()
  const progress = display(true)
  progress.update(placed(1))
  progress.end()
  progress.update(placed(2))
  progress.note('too late')
  pass(500)
  expect(written).toHaveLength(1)
})
