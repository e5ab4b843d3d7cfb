import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptySnapshot, type PageRequest, readLog, type Reading } from '../../src/log/read-query.ts'
import type { Db, RunQuery } from '../../src/db.ts'
import { storeTick } from '../../src/log/ticks.ts'
import { openTestLog, startServer, type TestServer } from './database.ts'
import { eventually, message } from './messages.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal
const parts = Array.from({ length: 16 }, (_, index) => 1_024 + index)

function requests(prev: string): PageRequest[] {
  const point = { gen: 1, prev, target: null, after: '0' }
  return parts.map((part) => ({ part, point, since: null, types: 'all', maxRows: 500, maxBytes: 1_000_000 }))
}

interface Touched {
  readonly seqScans: number
  readonly indexScans: number
  readonly rowsRead: number
}

/** What this session has counted on the log's leaves since it last told the server, which it does between transactions only. */
async function counted(run: RunQuery): Promise<Touched> {
  const [row] = await run<Record<keyof Touched, string>>(
    `select sum(seq_scan) as "seqScans", sum(idx_scan) as "indexScans", sum(idx_tup_fetch + seq_tup_read) as "rowsRead"
     from pg_stat_xact_user_tables where relname like 'log\\__'`,
  )
  return { seqScans: Number(row?.seqScans), indexScans: Number(row?.indexScans), rowsRead: Number(row?.rowsRead) }
}

/** Runs one reading, and counts what it touched of the log's leaves. */
async function touched(db: Db, prev: string): Promise<Touched> {
  return db.transaction(async (run) => {
    const from = await counted(run)
    await readLog(run, db.schema, requests(prev))
    const to = await counted(run)
    return {
      seqScans: to.seqScans - from.seqScans,
      indexScans: to.indexScans - from.indexScans,
      rowsRead: to.rowsRead - from.rowsRead,
    }
  })
}

/** The end of the log as of now: prev of a reader that has read everything. */
async function now(db: Db): Promise<string> {
  const [row] = await db.query<{ now: string }>('select pg_current_snapshot()::text as now')
  return row?.now ?? emptySnapshot
}

async function burnXid(run: RunQuery): Promise<void> {
  await run('select pg_current_xact_id()')
}

/** The end of the log before a transaction that has ended since. */
async function before(db: Db): Promise<string> {
  const prev = await now(db)
  await burnXid(db.query.bind(db))
  return prev
}

/** The end of the log during a transaction that has ended since. A snapshot lists it only if a later one has ended already. */
async function during(db: Db): Promise<string> {
  return db.transaction(async (run) => {
    await burnXid(run)
    await burnXid(db.query.bind(db))
    return now(db)
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

describe('what a reading costs', () => {
  it('is a few index probes for a reader that has caught up, whatever the planner knows of the leaves', async () => {
    await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 16 }] })
    const { db } = one
    // A leaf each, filled by one transaction: to the statistics every row of it has the same xid.
    for (let slot = 0; slot < 8; slot++) {
      await db.query('update acuse.log_state set slot = $1', [slot])
      const batch = Array.from({ length: 4_000 }, (_, index) => message(index, { key: `key-${index}` }))
      await db.transaction((run) => one.log.append(run, batch))
    }
    for (const prepare of ['select 1', 'analyze acuse.log']) {
      await db.query(prepare)
      for (const prev of [await before(db), await during(db)]) {
        const { seqScans, indexScans, rowsRead } = await touched(db, prev)
        expect({ seqScans, rowsRead }).toEqual({ seqScans: 0, rowsRead: 0 })
        // Each transaction that was in flight is looked up too, such as a statistics run of the server's own.
        expect(indexScans).toBeLessThanOrEqual(3 * 16 * 8)
      }
    }
    // With nothing new in the whole database not even those. Something may come between the two statements.
    await eventually(async () => (await touched(db, await now(db))).indexScans === 0)
  })

  it('is proportional to what became visible, not to what a long transaction holds back', async () => {
    await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 16 }] })
    const { db, log } = one
    const backlog = Array.from({ length: 5_000 }, (_, index) => message(index, { key: `key-${index}` }))
    let prev = emptySnapshot
    await db.transaction(async (long) => {
      await log.append(long, [message('long')])
      await log.publish(backlog, never)
      await db.transaction(async (short) => {
        await log.append(short, [message('short')])
        await burnXid(db.query.bind(db))
        prev = await now(db)
        await log.publish([message('new', { key: 'new' })], never)
        expect(await touched(db, prev)).toMatchObject({ seqScans: 0, rowsRead: 1 })
      })
    })
    expect(await touched(db, prev)).toMatchObject({ seqScans: 0, rowsRead: 3 })
  })

  // 16 parts together have pages of 8,000 rows, which no window fills, and of 160.
  it.each([500, 10])(
    'cuts a backlog at the stored ticks, and finds everything in it once (%i rows)',
    async (maxRows) => {
      await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 16 }] })
      const { db, log } = one
      for (let batch = 0; batch < 10; batch++) {
        await log.publish(
          Array.from({ length: 2_000 }, (_, index) => message(index, { key: `key-${index}` })),
          never,
        )
        await storeTick(db)
      }
      const windows = new Set<string>()
      const seen = new Set<string>()
      const last = new Map<number, bigint>()
      let wanted = requests(emptySnapshot).map((request) => ({ ...request, maxRows }))
      for (let isMore = true; isMore;) {
        const reading: Reading = await readLog(db.query.bind(db), db.schema, wanted)
        isMore = reading.pages.some(({ more }) => more)
        wanted = wanted.map((request, index) => ({ ...request, point: reading.pages[index]?.next ?? request.point }))
        for (const [index, { rows }] of reading.pages.entries()) {
          for (const { pos, point } of rows) {
            expect(BigInt(pos)).toBeGreaterThan(last.get(index) ?? 0n)
            last.set(index, BigInt(pos))
            expect(seen.has(pos)).toBe(false)
            seen.add(pos)
            windows.add(point.target ?? 'none')
          }
        }
      }
      expect(seen.size).toBe(20_000)
      // The publisher stores some by itself, at other places.
      expect(windows.size).toBeGreaterThan(7)
    },
  )

  it('gives two groups that want the same parts all of it each, and tells parts apart that are read unequally far', async () => {
    await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 16 }] })
    const { db, log } = one
    const batch = (name: string) =>
      Array.from({ length: 100 }, (_, index) => message(`${name} ${index}`, { key: `key-${index}` }))
    await log.publish(batch('first'), never)
    const between = await now(db)
    await log.publish(batch('second'), never)
    const read = async (wanted: readonly PageRequest[]) => {
      const { pages } = await readLog(db.query.bind(db), db.schema, wanted)
      return pages.map(({ rows }) => rows.length)
    }
    const all = await read(requests(emptySnapshot))
    const some = await read(requests(between))
    expect([sum(all), sum(some)]).toEqual([200, 100])
    expect(await read([...requests(emptySnapshot), ...requests(emptySnapshot)])).toEqual([...all, ...all])
    const mixed = requests(between).map((request, index) =>
      index % 2 === 0 ? request : requests(emptySnapshot)[index],
    )
    const expected = all.map((count, index) => (index % 2 === 0 ? some[index] : count))
    expect(await read(mixed.filter((request) => request !== undefined))).toEqual(expected)
  })

  it('finds what is urgent, and what is of another stream, at once, whatever waits elsewhere', async () => {
    const streams = ['orders', 'other'].map((name) => ({ name, partitions: 16 }))
    await using one = await openTestLog(await server.newDatabase(), { streams })
    const { db, log } = one
    const backlog = Array.from({ length: 5_000 }, (_, index) => message(index, { key: `key-${index}` }))
    await log.publish(backlog, never)
    await log.publish([message('urgent', { priority: 'critical' }), message('other', { stream: 'other' })], never)
    const lanes = [1_024, 1_024 + 512, 2_048]
    const wanted = lanes.flatMap((first) =>
      requests(emptySnapshot).map((request, index) => ({ ...request, part: first + index, maxRows: 10 })),
    )
    const { pages } = await readLog(db.query.bind(db), db.schema, wanted)
    const found = lanes.map((_, lane) => sum(pages.slice(16 * lane, 16 * (lane + 1)).map(({ rows }) => rows.length)))
    expect(found).toEqual([160, 1, 1])
  })

  it('ends a page at its bytes, but always has one message', async () => {
    await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 1 }] })
    await one.log.publish(
      Array.from({ length: 10 }, (_, index) => message('x'.repeat(998), { key: `${index}` })),
      never,
    )
    const read = async (maxBytes: number): Promise<number> => {
      const [request] = requests(emptySnapshot)
      if (request === undefined) return 0
      const { pages } = await readLog(one.db.query.bind(one.db), one.db.schema, [{ ...request, maxBytes }])
      expect(pages[0]?.more).toBe((pages[0]?.rows.length ?? 0) < 10)
      return pages[0]?.rows.length ?? 0
    }
    expect(await read(1)).toBe(1)
    expect(await read(3_000)).toBe(3)
    expect(await read(3_001)).toBe(4)
    expect(await read(100_000)).toBe(10)
  })
})
