import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Client } from 'pg'
import { maintainRing } from '../../src/log/retention.ts'
import { deleteGroup, registerGroup } from '../../src/log/cursors.ts'
import { openTestLog, startServer, type TestLog, type TestServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'
import { Writer } from './writers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ deadlock_timeout: '100ms' })
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal
/** Everything is due at once. */
const atOnce = { retentionMs: 0, rotateAfterMs: 0 }
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => message(from + index))

async function readToTheEnd(one: TestLog, group: string, count: number): Promise<void> {
  const sink = new Collector()
  const subscription = await one.log.consume(source(group), sink)
  await eventually(() => sink.deliveries.length === count)
  await subscription.stop(5_000)
}

async function rowsBySlot({ db }: TestLog): Promise<Record<number, number>> {
  const rows = await db.query<{ slot: number; count: string }>(
    'select slot, count(*) from acuse.log group by slot order by slot',
  )
  return Object.fromEntries(rows.map(({ slot, count }) => [slot, Number(count)]))
}

describe('the ring', () => {
  it('opens the next leaf, and empties the old one when every group has read it', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(numbered(10), never)
    await registerGroup(one.db, {
      group: 'slow',
      streams: [{ id: 1, name: 'orders', partitions: 4 }],
      all: false,
      from: 'earliest',
    })
    await readToTheEnd(one, 'fast', 10)
    expect(await maintainRing(one.db, atOnce)).toEqual({ emptied: [], held: [], rotatedTo: 1 })
    await one.log.publish(numbered(5, 10), never)
    expect(await rowsBySlot(one)).toEqual({ 0: 10, 1: 5 })
    expect(await maintainRing(one.db, atOnce)).toEqual({
      emptied: [],
      held: [{ slot: 0, groups: ['slow'] }],
      rotatedTo: 2,
    })
    await readToTheEnd(one, 'slow', 15)
    expect(await maintainRing(one.db, atOnce)).toMatchObject({ emptied: [0], held: [{ slot: 1, groups: ['fast'] }] })
    await deleteGroup(one.db, 'fast')
    expect(await maintainRing(one.db, atOnce)).toMatchObject({ emptied: [1], held: [] })
    expect(await rowsBySlot(one)).toEqual({})
  })

  it('goes round for ever, and grows in one leaf while a group holds the next', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await registerGroup(one.db, {
      group: 'gone',
      streams: await one.db.query('select id, name, partitions from acuse.stream'),
      all: false,
      from: 'earliest',
    })
    for (let turn = 0; turn < 12; turn++) {
      await one.log.publish(numbered(3, turn * 3), never)
      await maintainRing(one.db, atOnce)
    }
    // All but the first leaf are used, and the last one takes the rest: nothing is overwritten.
    expect(await rowsBySlot(one)).toEqual({ 0: 3, 1: 3, 2: 3, 3: 3, 4: 3, 5: 3, 6: 3, 7: 15 })
    await deleteGroup(one.db, 'gone')
    await eventually(() => sink.deliveries.length === 36)
    await eventually(async () => (await maintainRing(one.db, atOnce)).held.length === 0, 40_000)
    await one.log.publish(numbered(1, 36), never)
    expect(Object.values(await rowsBySlot(one)).reduce((sum, count) => sum + count, 0)).toBeLessThan(20)
    await eventually(() => sink.deliveries.length === 37)
  })

  it('tells of a group that holds it, and which', async () => {
    await using one = await openTestLog(await server.newDatabase(), { retentionMs: 10, rotateAfterMs: 10 })
    await one.log.publish(numbered(3), never)
    await registerGroup(one.db, {
      group: 'gone',
      streams: [{ id: 1, name: 'orders', partitions: 4 }],
      all: false,
      from: 'earliest',
    })
    await eventually(() => one.errors.length > 0)
    await one.db.query('select pg_sleep(0.5)')
    expect(one.errors.map(({ message: text }) => text)).toEqual([expect.stringContaining('group gone has not read')])
  })

  it('never makes a publish wait for a transaction that has published and stays open', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await one.log.publish(numbered(10), never)
    await readToTheEnd(one, 'readers', 10)
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await using open = await Writer.connect(url, 'open', one.log)
    await open.statement('begin')
    await one.log.append(open.run, [message('held')])
    await using other = await Writer.connect(url, 'other', one.log)
    await other.statement(`set lock_timeout = '50ms'`)

    const over = new AbortController()
    // A leaf that is emptied in the moment it is closed may still be wanted by an append that has looked up where to write.
    const shortly = { ...atOnce, retentionMs: 100 }
    const turning = (async () => {
      const outcomes = []
      while (!over.signal.aborted) outcomes.push(await maintainRing(one.db, shortly))
      return outcomes
    })()
    const longestWaits = watchLocks(url, over.signal)
    const until = performance.now() + 3_000
    let published = 0
    // A lock held up for 50 ms would end the statement, and this loop.
    while (performance.now() < until) {
      await other.statement('begin')
      await one.log.append(other.run, [message({ published })])
      await other.statement('commit')
      published++
    }
    over.abort()
    const outcomes = await turning
    expect(published).toBeGreaterThan(5)
    expect(outcomes.some(({ rotatedTo }) => rotatedTo !== null)).toBe(true)
    // The leaf with the open transaction's row stays; all others went round.
    expect(outcomes.some(({ emptied }) => emptied.includes(0))).toBe(false)
    expect((await longestWaits).publishers).toEqual([])
    await open.statement('commit')
    await eventually(() => sink.deliveries.length === published + 1)
    expect(sink.data).toContain('held')
    await eventually(async () => (await maintainRing(one.db, atOnce)).emptied.includes(0), 40_000)
  })
})

/** Looks all the time for sessions that wait for a table lock, readers and the ring apart. */
async function watchLocks(url: string, over: AbortSignal): Promise<{ publishers: string[] }> {
  const client = new Client(url)
  await client.connect()
  const publishers: string[] = []
  while (!over.aborted) {
    const { rows } = await client.query<{ query: string }>(
      `select a.query from pg_locks l join pg_stat_activity a using (pid)
       where not l.granted and l.locktype = 'relation' and a.query like '%log_append%'`,
    )
    publishers.push(...rows.map(({ query }) => query))
  }
  await client.end()
  return { publishers }
}
