import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionHash } from '@acuse/core'
import { openTestLog, startServer, type TestServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'
import { Writer } from './writers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal

interface LogRow {
  readonly pos: string
  readonly part: number
  readonly id: string
}

describe('append', () => {
  it('draws positions in the order of the batch, whatever the messages say', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const batch = Array.from({ length: 3_000 }, (_, index) =>
      message({ index }, { key: `key-${(index * 7_919) % 101}`, id: randomUUID(), stream: `stream-${index % 3}` }),
    )
    await one.db.transaction((run) => one.log.append(run, batch))
    const rows = await one.db.query<LogRow>('select pos, id from acuse.log order by pos')
    expect(rows.map(({ id }) => id)).toEqual(batch.map(({ id }) => id))
    expect(new Set(rows.map(({ pos }) => pos)).size).toBe(3_000)
  })

  it('is part of the transaction it is given', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await expect(
      one.db.transaction(async (run) => {
        await one.log.append(run, [message('never')])
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    await one.db.transaction((run) => one.log.append(run, [message('kept')]))
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await eventually(() => sink.data.includes('kept'))
    expect(sink.data).toEqual(['kept'])
  })

  it('puts keys on the partition that the registered count says, by lane', async () => {
    await using one = await openTestLog(await server.newDatabase(), { streams: [{ name: 'orders', partitions: 7 }] })
    const wishes = [{ key: 'a' }, { key: 'b', priority: 'high' as const }, { key: 'ü', priority: 'critical' as const }]
    const batch = wishes.map((wish) => message(0, wish))
    await one.log.publish(batch, never)
    const rows = await one.db.query<LogRow>('select part from acuse.log order by pos')
    expect(rows.map(({ part }) => part)).toEqual(
      batch.map((sent, lane) => 1_024 + lane * 256 + (partitionHash(sent) % 7)),
    )
  })

  it('registers a stream outside the transaction, which may then roll back or hold an old snapshot', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using writer = await Writer.connect(url, 'writer', one.log)
    await writer.statement('begin isolation level repeatable read; select 1 from acuse.stream')
    await one.log.append(writer.run, [message('old snapshot', { stream: 'unseen' })])
    await writer.statement('commit')
    await writer.statement('begin')
    await one.log.append(writer.run, [message('rolled back', { stream: 'other' })])
    await writer.statement('rollback')
    const streams = await one.db.query<{ name: string }>('select name from acuse.stream order by id')
    expect(streams.map(({ name }) => name)).toEqual(['unseen', 'other'])
    const sink = new Collector()
    await one.log.consume(source('readers', { streams: [{ name: 'unseen', partitions: 4 }] }), sink)
    await eventually(() => sink.deliveries.length === 1)
  })

  it('does not wait for a transaction that holds the stream table', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using writer = await Writer.connect(url, 'writer', one.log)
    await writer.statement('begin')
    await one.log.append(writer.run, [message('open', { stream: 'first' })])
    const results = await one.log.publish([message(1, { stream: 'first' }), message(2, { stream: 'second' })], never)
    expect(results.map(({ state }) => state)).toEqual(['delivered', 'delivered'])
    await writer.statement('rollback')
  })

  it('notices that the streams it knows are gone, and registers them again', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish([message(1)], never)
    await one.db.query('truncate acuse.stream, acuse.log')
    const [first] = await one.log.publish([message(2)], never)
    expect(first).toMatchObject({ state: 'failed', error: { code: 'ACUSE_TRANSPORT_UNAVAILABLE', retryable: true } })
    const [second] = await one.log.publish([message(3)], never)
    expect(second).toEqual({ state: 'delivered' })
  })

  it('refuses a stream declared with another partition count, naming both', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url, { streams: [{ name: 'orders', partitions: 3 }] })
    const consuming = one.log.consume(
      source('readers', { streams: [{ name: 'orders', partitions: 5 }] }),
      new Collector(),
    )
    await expect(consuming).rejects.toMatchObject({ code: 'ACUSE_STREAM_MISMATCH', message: /5 partitions.*with 3/ })
    await expect(openTestLog(url, { streams: [{ name: 'orders', partitions: 4 }] })).rejects.toMatchObject({
      code: 'ACUSE_STREAM_MISMATCH',
    })
  })
})

describe('publish', () => {
  it('fails a message that cannot be stored alone, not its batch', async () => {
    await using one = await openTestLog(await server.newDatabase(), { maxMessageBytes: 1_000 })
    const results = await one.log.publish(
      [
        message('good'),
        message('NUL', { key: 'a\0b' }),
        message('half a pair', { key: '\ud800' }),
        { ...message('header'), headers: { traceparent: 'a\0b' } },
        message('x'.repeat(2_000)),
        message('long id', { id: 'i'.repeat(201) }),
        message('also good', { key: null, id: 'any-id ü 😀' }),
      ],
      never,
    )
    expect(results.map((result) => (result.state === 'failed' ? result.error.code : result.state))).toEqual([
      'delivered',
      'ACUSE_UNENCODABLE',
      'ACUSE_UNENCODABLE',
      'ACUSE_UNENCODABLE',
      'ACUSE_MESSAGE_TOO_LARGE',
      'ACUSE_UNENCODABLE',
      'delivered',
    ])
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === 2)
    expect(new Set(sink.data)).toEqual(new Set(['also good', 'good']))
  })

  it('finds the message that the database alone refuses', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.db.query(`alter table acuse.log add constraint no_cats check (type <> 'cat')`)
    const results = await one.log.publish([message(1), message(2, { type: 'cat', key: 'b' }), message(3)], never)
    expect(results.map(({ state }) => state)).toEqual(['delivered', 'failed', 'delivered'])
    expect(results[1]).toMatchObject({ error: { code: 'ACUSE_UNENCODABLE', retryable: false } })
  })

  it('keeps the order of calls for a key, and takes what comes together in one statement', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const publishing = Array.from({ length: 300 }, (_, index) =>
      one.log.publish([message({ index, part: 0 }), message({ index, part: 1 })], never),
    )
    await Promise.all(publishing)
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === 600)
    expect(sink.data).toEqual(publishing.flatMap((_, index) => [0, 1].map((part) => ({ index, part }))))
    const [row] = await one.db.query<{ count: string }>('select count(distinct xid::text) as count from acuse.log')
    expect(Number(row?.count)).toBeLessThan(10)
  })

  it('keeps every byte of bodies and headers', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const body = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index % 256))
    const headers = { plain: 'x', 'quo"te': '\\ \u0001 \t ü 😀', '': 'nameless' }
    const large = Buffer.alloc(1_000_000, 'ab')
    const sent = [
      { ...message(0), body, headers },
      { ...message(0), body: Buffer.alloc(0), headers: {} },
      // A view into a larger buffer, as decoders make them.
      { ...message(0), body: new Uint8Array(body.buffer, body.byteOffset + 3, 5) },
      { ...message(0), body: large },
    ]
    expect(await one.log.publish(sent, never)).toEqual(sent.map(() => ({ state: 'delivered' })))
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === 4)
    const read = sink.deliveries.map((delivery) => delivery.message)
    expect(read.map(({ body: bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(
      sent.map(({ body: bytes }) => Buffer.from(bytes).toString('hex')),
    )
    expect(read[0]?.headers).toEqual(headers)
  })

  it('settles when its signal aborts, and what was not confirmed may be tried again', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using writer = await Writer.connect(url, 'writer', one.log)
    await one.log.publish([message('registers the stream')], never)
    await writer.statement('begin; lock table acuse.log in access exclusive mode')
    const stopping = new AbortController()
    const stuck = one.log.publish([message('stuck')], stopping.signal)
    const behind = one.log.publish([message('behind')], never)
    setTimeout(() => stopping.abort(), 50)
    const [result] = await stuck
    expect(result).toMatchObject({ state: 'failed', error: { code: 'ACUSE_PUBLISH_TIMEOUT', retryable: true } })
    await writer.statement('rollback')
    expect(await behind).toEqual([{ state: 'delivered' }])
    expect(await one.log.publish([message('late')], AbortSignal.abort())).toMatchObject([{ state: 'failed' }])
    expect(await one.log.publish([], never)).toEqual([])
  })

  it('fails retryably when the database cannot be reached', async () => {
    await using own = await startServer()
    await using one = await openTestLog(await own.newDatabase())
    await one.log.publish([message(1)], never)
    await own.server.kill()
    const results = await one.log.publish([message(2), message(3, { stream: 'not registered' })], never)
    for (const result of results) {
      expect(result).toMatchObject({ state: 'failed', error: { code: 'ACUSE_TRANSPORT_UNAVAILABLE', retryable: true } })
    }
    await own.server.start()
    expect(await one.log.publish([message(4)], never)).toEqual([{ state: 'delivered' }])
  })
})
