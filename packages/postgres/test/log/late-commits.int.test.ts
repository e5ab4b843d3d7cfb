import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestLog, startServer, type TestServer } from './database.ts'
import { Collector, eventually, source } from './messages.ts'
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
  server = await startServer({ max_prepared_transactions: '5' })
})
afterAll(() => server[Symbol.asyncDispose]())

const random = createRandom()
const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`)

describe(`readers and late commits (seed ${random.seed})`, () => {
  it('loses, doubles and inverts nothing while transactions end in any order', async () => {
    const url = await server.newDatabase()
    // PREPARE TRANSACTION is refused after a NOTIFY.
    await using publishing = await openTestLog(url, { notifyInTransaction: false })
    await using reading = await openTestLog(url)
    await createCounters(publishing.db.query.bind(publishing.db), [...keys, 'held', 'prepared'])
    const small = new Collector()
    const large = new Collector()
    await reading.log.consume(source('small', { prefetch: 7 }), small)
    await reading.log.consume(source('large', { prefetch: 500 }), large)

    await using unrelated = await Writer.connect(url, 'unrelated', publishing.log)
    await unrelated.statement('begin; select pg_current_xact_id()')
    await using holder = await Writer.connect(url, 'holder', publishing.log)
    await holder.statement('begin')
    const held = await holder.publish('held')
    await using preparer = await Writer.connect(url, 'preparer', publishing.log)
    await preparer.statement('begin')
    const prepared = await preparer.publish('prepared')
    await preparer.statement("prepare transaction 'late'")

    const writing = differentRandoms(random, 12).map(async (writerRandom, index) => {
      await using writer = await Writer.connect(url, `writer-${index}`, publishing.log)
      return await writeForAWhile(writer, keys, { forMs: 4_000, random: writerRandom })
    })
    await wait(3_000)
    await holder.statement('commit')
    await preparer.statement("commit prepared 'late'")
    const committed = [held, prepared, ...(await Promise.all(writing)).flat()]
    expect(committed.length).toBeGreaterThan(100)

    for (const sink of [small, large]) {
      await eventually(() => sink.deliveries.length >= committed.length)
      const read = sink.data as Written[]
      expect(differences(committed, read)).toEqual({ lost: [], doubled: [], unexpected: [] })
      expect(inversions(read)).toEqual([])
    }
    await unrelated.statement('rollback')
    expect([...publishing.errors, ...reading.errors]).toEqual([])
  })
})
