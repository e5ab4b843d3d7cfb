import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Db } from '../../src/db.ts'
import { appendToLog } from '../../src/log/append.ts'
import { maintainRing } from '../../src/log/retention.ts'
import { openTestDb, openTestLog, startServer, type TestServer } from './database.ts'
import { Collector, dataOf, eventually, message, source } from './messages.ts'
import { movableAddress } from './movable-address.ts'
import { Writer } from './writers.ts'

let old: TestServer
let fresh: TestServer
beforeAll(async () => {
  old = await startServer()
  fresh = await startServer()
})
afterAll(async () => {
  await old[Symbol.asyncDispose]()
  await fresh[Symbol.asyncDispose]()
})

const never = new AbortController().signal
const tables = ['stream', 'log_state', 'log_slot', 'log', 'tick', 'log_group', 'cursor', 'member']

/** Copies a log's rows as they are, xids included, as a dump and its restore do. */
async function restore(from: Db, to: Db): Promise<void> {
  await to.query(`truncate ${tables.map((table) => `acuse.${table}`).join(', ')}`)
  for (const table of tables) {
    const [row] = await from.query<{ rows: string | null }>(`select json_agg(t)::text as rows from acuse.${table} t`)
    await to.query(`insert into acuse.${table} select * from json_populate_recordset(null::acuse.${table}, $1)`, [
      row?.rows ?? '[]',
    ])
  }
  const [sequence] = await from.query<{ value: string }>('select last_value as value from acuse.log_position')
  await to.query(`select setval('acuse.log_position', $1)`, [sequence?.value])
}

async function burnXids(db: Db, count: number): Promise<void> {
  for (let burnt = 0; burnt < count; burnt++) await db.query('select pg_current_xact_id()')
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => message(from + index, { key: `key-${(from + index) % 3}` }))

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

/** Whether the messages of each key are in their order. The first three were committed late, and rightly come late. */
function inOrder(data: readonly unknown[]): boolean {
  const numbers = (data as number[]).filter((number) => number > 2)
  return [0, 1, 2].every((rest) => {
    const ofKey = numbers.filter((number) => number % 3 === rest)
    return ofKey.join() === ofKey.toSorted((one, other) => one - other).join()
  })
}

describe('a log restored from a dump on another server', () => {
  it('goes on where each group was: nothing is lost, nothing comes twice, old before new', async () => {
    const oldUrl = await old.newDatabase()
    const freshUrl = await fresh.newDatabase()
    await using oldDb = openTestDb(oldUrl)
    await using freshDb = openTestDb(freshUrl)
    const before = await openTestLog(oldUrl)
    await burnXids(before.db, 3_000)
    await using open = await Writer.connect(oldUrl, 'open', before.log)
    await open.statement('begin')
    await before.log.append(open.run, numbered(0, 3))
    await before.log.publish(numbered(3, 60), never)
    // Reads half, and stays in the middle of a page, with a transaction in flight in its snapshot.
    const half = new Collector((delivery) => {
      if ((dataOf(delivery) as number) < 30) delivery.ack()
    })
    const reading = await before.log.consume(source('half'), half)
    await eventually(() => half.deliveries.length === 57)
    await reading.stop(10)
    await open.statement('commit')
    await before.log.publish(numbered(60, 100), never)
    const handled = new Set(half.data.filter((number) => (number as number) < 30))
    expect(handled.size).toBe(27)
    await restore(oldDb, freshDb)
    await before[Symbol.asyncDispose]()

    // Somebody publishes before any process of Acuse has looked at the new server.
    await appendToLog(freshDb.query.bind(freshDb), freshDb.schema, {
      messages: numbered(100, 110),
      streams: new Map([['orders', { id: 1, name: 'orders', partitions: 4 }]]),
      notify: null,
    })
    await using after = await openTestLog(freshUrl)
    await after.log.publish(numbered(110, 120), never)
    const rest = new Collector()
    const all = new Collector()
    await after.log.consume(source('half'), rest)
    await after.log.consume(source('all'), all)
    await after.log.publish(numbered(120, 130), never)
    await eventually(() => all.deliveries.length === 130 && rest.deliveries.length === 103)
    expect(new Set([...handled, ...rest.data])).toEqual(new Set(range(0, 130)))
    expect(inOrder(rest.data)).toBe(true)
    expect(inOrder(all.data)).toBe(true)
    const [state] = await after.db.query<{ gen: number }>('select gen from acuse.log_state')
    expect(state?.gen).toBe(2)
    // What is left of the old server does not keep the ring from turning.
    await eventually(
      async () => (await maintainRing(after.db, { retentionMs: 0, rotateAfterMs: 0 })).emptied.includes(0),
      40_000,
    )
    expect(after.errors).toEqual([])
  })

  it('is noticed by a process that was connected all the time', async () => {
    const oldUrl = await old.newDatabase()
    const freshUrl = await fresh.newDatabase()
    await using oldDb = openTestDb(oldUrl)
    await using freshDb = openTestDb(freshUrl)
    await burnXids(oldDb, 2_000)
    // One role that both servers know, as in a copy of one.
    for (const db of [oldDb, freshDb]) await db.query(`create role app superuser login password 'app'`)
    await using address = await movableAddress(oldUrl, 'app')
    await using reading = await openTestLog(address.url)
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await reading.log.publish(numbered(0, 20), never)
    await eventually(() => sink.deliveries.length === 20)
    // Its cursors are not all stored yet, and what it remembers of the old server is far ahead of the new one.
    await restore(oldDb, freshDb)
    address.moveTo(freshUrl)
    await eventually(async () => {
      const [result] = await reading.log.publish([message(20, { key: 'key-2' })], never)
      return result?.state === 'delivered'
    })
    await reading.log.publish(numbered(21, 40), never)
    await eventually(() => new Set(sink.data).size === 40)
    const firsts = [...new Set(sink.data)]
    expect(inOrder(firsts)).toBe(true)
  })
})
