import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maintainRing } from '../../src/log/retention.ts'
import { openTestDb, openTestLog, startServer, type TestServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'
import { Writer } from './writers.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal

/** The address of a database for a role of its own that is granted what `grants` say, and nothing more. */
async function addressFor(role: string, grants: readonly string[]): Promise<string> {
  const address = await server.newDatabase()
  await using db = openTestDb(address)
  await db.query(`create role ${role} login password '${role}'`)
  for (const grant of grants) await db.query(`${grant} to ${role}`)
  const url = new URL(address)
  url.username = role
  url.password = role
  return url.href
}

describe('a role without privileges of its own', () => {
  it('runs the whole log with data privileges, and without DDL', async () => {
    const url = await addressFor('runner', [
      'grant usage on schema acuse',
      'grant select, insert, update, delete, truncate on all tables in schema acuse',
      'grant usage, select on all sequences in schema acuse',
    ])
    await using one = await openTestLog(url)
    const sink = new Collector()
    const subscription = await one.log.consume(source('readers'), sink)
    await one.log.publish(
      Array.from({ length: 700 }, (_, index) => message(index)),
      never,
    )
    await eventually(() => sink.deliveries.length === 700)
    await subscription.stop(5_000)
    const atOnce = { retentionMs: 0, rotateAfterMs: 0 }
    expect(await maintainRing(one.db, atOnce)).toMatchObject({ rotatedTo: 1 })
    expect(await maintainRing(one.db, atOnce)).toMatchObject({ emptied: [0] })
    expect(one.errors).toEqual([])
  })

  it('publishes with the right to insert, and cannot read what others wrote', async () => {
    const url = await addressFor('publisher', [
      'grant usage on schema acuse',
      'grant insert on acuse.log',
      'grant usage on sequence acuse.log_position',
      'grant select, insert on acuse.stream',
      'grant select on acuse.log_state',
    ])
    await using one = await openTestLog(url)
    await using writer = await Writer.connect(url, 'writer', one.log)
    await writer.statement('begin')
    await one.log.append(writer.run, [message('in a transaction')])
    await writer.statement('commit')
    expect(await one.log.publish([message('alone')], never)).toEqual([{ state: 'delivered' }])
    await expect(one.db.query('select from acuse.log')).rejects.toThrow('permission denied')
  })
})
