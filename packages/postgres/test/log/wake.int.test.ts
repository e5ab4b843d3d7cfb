import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestLog, startServer, type TestLog, type TestServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'
import { Writer } from './writers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal

/**
 * Pauses double up to 5 s. Who has not looked for this long is in one of 4 s or more, and would not look by itself
 * for almost 2 s.
 */
const quietMs = 2_100
const wellBeforeALookMs = 1_500

async function becomesIdle(reading: TestLog, forMs: number): Promise<void> {
  await eventually(async () => {
    const [row] = await reading.db.query<{ quietMs: number }>(
      `select (extract(epoch from clock_timestamp() - max(state_change)) * 1000)::float8 as "quietMs"
       from pg_stat_activity where application_name = 'acuse:test' and query like '%from "acuse".log_read%' and pid <> pg_backend_pid()`,
    )
    return (row?.quietMs ?? 0) > forMs
  }, 20_000)
}

/** How long it takes to arrive, ms. */
async function arrival(sink: Collector, data: unknown): Promise<number> {
  const began = performance.now()
  await eventually(() => sink.data.includes(data))
  return performance.now() - began
}

describe('waking readers', () => {
  it('tells idle readers of a publish at once', async () => {
    const url = await server.newDatabase()
    await using publishing = await openTestLog(url)
    await using reading = await openTestLog(url)
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await becomesIdle(reading, quietMs)
    await publishing.log.publish([message('news')], never)
    expect(await arrival(sink, 'news')).toBeLessThan(wellBeforeALookMs)
  })

  it('tells of a transaction when it commits, however late', async () => {
    const url = await server.newDatabase()
    await using publishing = await openTestLog(url)
    await using reading = await openTestLog(url)
    await using first = await Writer.connect(url, 'first', publishing.log)
    await using second = await Writer.connect(url, 'second', publishing.log)
    await first.statement('begin')
    await second.statement('begin')
    // The second comes too soon after the first to be told of within its own transaction.
    await publishing.log.append(first.run, [message('first')])
    await publishing.log.append(second.run, [message('second')])
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await becomesIdle(reading, quietMs)
    await second.statement('commit')
    expect(await arrival(sink, 'second')).toBeLessThan(wellBeforeALookMs)
    await becomesIdle(reading, quietMs)
    await first.statement('commit')
    expect(await arrival(sink, 'first')).toBeLessThan(wellBeforeALookMs)
  })

  it('tells of it from outside where the transaction itself must not', async () => {
    const url = await server.newDatabase()
    await using publishing = await openTestLog(url, { notifyInTransaction: false })
    await using reading = await openTestLog(url)
    await using writer = await Writer.connect(url, 'writer', publishing.log)
    await writer.statement('begin')
    await publishing.log.append(writer.run, [message('news')])
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await becomesIdle(reading, quietMs)
    await writer.statement('commit')
    expect(await arrival(sink, 'news')).toBeLessThan(wellBeforeALookMs)
  })

  it('does not need the connection that listens, and gets it back', async () => {
    const url = await server.newDatabase()
    await using publishing = await openTestLog(url)
    await using reading = await openTestLog(url, { pollMaxMs: 300 })
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await becomesIdle(reading, 200)
    const listeners = () =>
      publishing.db.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = 'acuse:test' and query like 'listen %'`,
      )
    const [listener] = await listeners()
    await publishing.db.query(`select pg_terminate_backend($1)`, [listener?.pid])
    await publishing.log.publish([message('unheard')], never)
    expect(await arrival(sink, 'unheard')).toBeLessThan(2_000)
    await eventually(async () => (await listeners()).some(({ pid }) => pid !== listener?.pid))
    expect(reading.errors.map(({ code }) => code)).toContain('ACUSE_STORE_UNAVAILABLE')
  })
})
