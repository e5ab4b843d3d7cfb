import { setTimeout as wait } from 'node:timers/promises'
import type { HistoryRange, WireMessage } from '@acuse/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Db } from '../../src/db.ts'
import { beginningOf, type HistoryPosition, partsOfRange, readHistory } from '../../src/log/history-read.ts'
import { openTestLog, startServer, type TestServer } from './database.ts'
import { dataOf, message } from './messages.ts'
import { createRandom } from './random.ts'
import {
  createCounters,
  differences,
  differentRandoms,
  inversions,
  type Written,
  Writer,
  writeForAWhile,
} from './writers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal
const random = createRandom()
const orders: HistoryRange = { stream: 'orders', types: ['order.placed'] }

/** All of a range as of now, in pages. */
async function readAll(
  db: Db,
  range: HistoryRange,
  limit: number,
): Promise<{ messages: WireMessage[]; pages: number }> {
  const parts = await partsOfRange(db, range)
  const messages: WireMessage[] = []
  let next: HistoryPosition | null = await beginningOf(db, range.from)
  let pages = 0
  for (; next !== null; pages++) {
    const page = await readHistory(db, parts, range, next, limit)
    messages.push(...page.messages)
    next = page.next
  }
  return { messages, pages }
}

/** Ticks as often as a busy log has them, and more often than any would store them. */
async function tick(db: Db): Promise<void> {
  await db.query(
    `insert into ${db.schema}.tick (hi, snap, last_pos)
     select pg_snapshot_xmax(s.snap), s.snap, p.last_value from (select pg_current_snapshot() as snap) s, ${db.schema}.log_position p
     on conflict do nothing`,
  )
}

describe(`history on PostgreSQL (seed ${random.seed})`, () => {
  it('is read whole and in order per key, whatever the order in which transactions ended, and however small the pages', async () => {
    await using log = await openTestLog(await server.newDatabase())
    const url = await server.newDatabase()
    await using other = await openTestLog(url)
    expect((await readAll(log.db, orders, 10)).messages).toEqual([])
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`)
    await createCounters(other.db.query.bind(other.db), [...keys, 'held'])
    await using holder = await Writer.connect(url, 'holder', other.log)
    await holder.statement('begin')
    const held = await holder.publish('held')
    const writing = differentRandoms(random, 8).map(async (writerRandom, index) => {
      await using writer = await Writer.connect(url, `writer-${index}`, other.log)
      return await writeForAWhile(writer, keys, { forMs: 2_500, random: writerRandom })
    })
    const done = Promise.all(writing)
    const written = new AbortController()
    void done.then(() => written.abort())
    for (; !written.signal.aborted; await wait(random.below(30))) await tick(other.db)
    await holder.statement('commit')
    await tick(other.db)
    const committed = [held, ...(await done).flat()]
    expect(committed.length).toBeGreaterThan(30)
    for (const limit of [1, 7, 200]) {
      const read = (await readAll(other.db, orders, limit)).messages.map((one) => dataOf({ message: one }) as Written)
      expect(differences(committed, read)).toEqual({ lost: [], doubled: [], unexpected: [] })
      expect(inversions(read)).toEqual([])
    }
    const ofKey = (await readAll(other.db, { ...orders, key: 'key-3' }, 5)).messages
    expect(ofKey.map(({ key }) => key)).toEqual(committed.filter(({ key }) => key === 'key-3').map(() => 'key-3'))
  })

  it('begins at the tick before its moment, and reads nothing from before', async () => {
    await using log = await openTestLog(await server.newDatabase())
    const numbers = (from: number, to: number): WireMessage[] =>
      Array.from({ length: to - from }, (_, index) => message(from + index, { key: `key-${index % 5}` }))
    await log.log.publish(numbers(0, 2_000), never)
    await tick(log.db)
    await wait(5)
    const [now] = await log.db.query<{ now: Date }>('select clock_timestamp() as now')
    await wait(5)
    await log.log.publish(numbers(2_000, 2_050), never)
    const range: HistoryRange = { ...orders, ...(now === undefined ? {} : { from: now.now }) }
    const start = await beginningOf(log.db, range.from)
    expect(start.prev).not.toBe('1:1:')
    const { messages } = await readAll(log.db, range, 200)
    expect(messages.map((one) => dataOf({ message: one }) as number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => 2_000 + index),
    )
  })

  it('of another server, from before a restore, comes before what was appended here', async () => {
    await using log = await openTestLog(await server.newDatabase())
    const appended = async (numbers: readonly number[]): Promise<void> => {
      for (const number of numbers) await log.log.publish([message(number)], never)
    }
    await appended([1, 2, 3])
    await log.db.query(`update ${log.db.schema}.log_state set gen = gen + 1`)
    await appended([4, 5])
    for (const limit of [1, 2, 100]) {
      const { messages } = await readAll(log.db, orders, limit)
      expect(messages.map((one) => dataOf({ message: one }))).toEqual([1, 2, 3, 4, 5])
    }
  })

  it('comes in pages of bounded bytes', async () => {
    await using log = await openTestLog(await server.newDatabase())
    const large = 'x'.repeat(3 * 1024 * 1024)
    for (let n = 0; n < 7; n++) await log.log.publish([message({ n, large })], never)
    const { messages, pages } = await readAll(log.db, orders, 100)
    expect(messages.map((one) => (dataOf({ message: one }) as { n: number }).n)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(pages).toBeGreaterThanOrEqual(3)
  })
})
