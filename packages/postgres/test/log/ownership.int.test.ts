import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Delivery } from '@acuse/core'
import type { Db, Row } from '../../src/db.ts'
import { deleteGroup } from '../../src/log/cursors.ts'
import { tellMembers } from '../../src/log/members.ts'
import { openTestLog, startServer, type TestLog, type TestServer } from './database.ts'
import { Collector, dataOf, eventually, message, source } from './messages.ts'
import { startReader } from './reader-child.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal

interface Numbered {
  readonly key: string
  readonly sequence: number
}

const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`)

function round(sequence: number) {
  return keys.map((key) => message({ key, sequence }, { key }))
}

/** The keys whose sequence does not simply count up. */
function disordered(read: readonly Numbered[]): string[] {
  const next = new Map<string, number>()
  return read.flatMap(({ key, sequence }) => {
    const expected = next.get(key) ?? 0
    next.set(key, sequence + 1)
    return sequence === expected ? [] : [`${key}: ${sequence} instead of ${expected}`]
  })
}

/** A database whose answers may be held back. */
function answering(db: Db, beforeAnswer: (db: Db, text: string) => Promise<void>): Db {
  return {
    schema: db.schema,
    schemaName: db.schemaName,
    connections: db.connections,
    isDirect: () => db.isDirect(),
    connectionsOnServer: () => db.connectionsOnServer(),
    async query<R extends Row>(text: string, values?: readonly unknown[]) {
      const rows = await db.query<R>(text, values)
      await beforeAnswer(db, text)
      return rows
    },
    transaction: (work, options) => db.transaction(work, options),
    listen: (channel, onNotify) => db.listen(channel, onNotify),
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  }
}

describe('sharing a group', () => {
  it('gives each member its share, and hands parts over without delivering anything twice', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using two = await openTestLog(url)
    const everything: { who: string; delivery: Delivery }[] = []
    const sinkOf = (who: string) =>
      new Collector((delivery) => {
        everything.push({ who, delivery })
        setImmediate(() => delivery.ack())
      })
    const [sinkOne, sinkTwo] = [sinkOf('one'), sinkOf('two')]
    await one.log.consume(source('readers', { prefetch: 30 }), sinkOne)
    let sequence = 0
    const publish = async (rounds: number): Promise<void> => {
      for (let count = 0; count < rounds; count++) await one.log.publish(round(sequence++), never)
    }
    await publish(20)
    const second = await two.log.consume(source('readers', { prefetch: 30 }), sinkTwo)
    const owners = async () => {
      const rows = await one.db.query<{ owner: string; count: string }>(
        'select owner, count(*) from acuse.cursor where owner is not null group by owner',
      )
      return rows.map(({ count }) => Number(count))
    }
    while ((await owners()).join() !== '6,6') await publish(1)
    await publish(20)
    await eventually(() => sinkTwo.deliveries.length > 20)
    await second.stop(5_000)
    await publish(20)
    await eventually(() => everything.length >= sequence * keys.length)
    expect(disordered(everything.map(({ delivery }) => dataOf(delivery) as Numbered))).toEqual([])
    expect(everything).toHaveLength(sequence * keys.length)
    expect(everything.some(({ delivery }) => delivery.redelivered)).toBe(false)
    expect(sinkOne.revoked).toHaveLength(6)
    expect([...one.errors, ...two.errors]).toEqual([])
  })

  it('claims each part once where another joins at that moment, and takes nothing for left behind by a dead owner', async () => {
    const url = await server.newDatabase()
    let claims = 0
    let claimedAgain: () => void = () => undefined
    const again = new Promise<void>((resolve) => (claimedAgain = resolve))
    /** The answer to the first claim is late: the other's arrival is heard before it. */
    const lateAnswer = async (db: Db, text: string): Promise<void> => {
      if (!text.includes('"suspectsTo"')) return
      if (++claims > 1) return claimedAgain()
      await tellMembers(db)
      await Promise.race([again, pause(300)])
    }
    await using log = await openTestLog(url, {}, (db) => answering(db, lateAnswer))
    await log.log.publish(round(0), never)
    const sink = new Collector()
    await log.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === keys.length)
    expect(claims).toBe(1)
    expect(sink.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
    const epochs = await log.db.query('select distinct epoch from acuse.cursor where owner is not null')
    expect(epochs).toEqual([{ epoch: 1 }])
  })

  it('waits with a handover until the sink has let go', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using two = await openTestLog(url)
    await one.log.publish(round(0), never)
    const held: Delivery[] = []
    const revoked: string[] = []
    let letGo = (): void => undefined
    const mayLetGo = new Promise<void>((resolve) => {
      letGo = resolve
    })
    await one.log.consume(source('readers'), {
      deliver: (deliveries) => held.push(...deliveries),
      revoke: (partition) => {
        revoked.push(partition)
        return mayLetGo
      },
    })
    await eventually(() => held.length === keys.length)
    const sinkTwo = new Collector()
    await two.log.consume(source('readers'), sinkTwo)
    await eventually(() => revoked.length === 6)
    const moving = held.filter(({ partition }) => revoked.includes(partition))
    const [begun, ...waiting] = moving
    for (const delivery of waiting) delivery.release()
    await two.db.query('select pg_sleep(0.1)')
    expect(sinkTwo.deliveries).toEqual([])
    begun?.ack()
    letGo()
    await eventually(() => sinkTwo.deliveries.length === moving.length - 1)
    expect(sinkTwo.deliveries.map(({ message: { id } }) => id).toSorted()).toEqual(
      waiting.map(({ message: { id } }) => id).toSorted(),
    )
    expect(sinkTwo.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
  })

  it('begins anew at the earliest message where its group is deleted under it', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url, { leaseMs: 600 })
    await one.log.publish(round(0), never)
    const sink = new Collector()
    await one.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === keys.length)
    await deleteGroup(one.db, 'readers')
    await eventually(() => sink.deliveries.length === 2 * keys.length)
    expect(sink.revoked).toHaveLength(12)
    expect(one.errors.map(({ code }) => code)).toEqual(['ACUSE_LEASE_LOST'])
  })
})

describe('taking over', () => {
  it('from a killed process: loses nothing, and marks what it may have begun', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url, { leaseMs: 1_500, streams: [{ name: 'orders', partitions: 4 }] })
    const settings = { url, group: 'readers', partitions: 4, prefetch: 10, leaseMs: 1_500, acks: false }
    await using child = await startReader(settings)
    await one.log.publish(
      Array.from({ length: 30 }, (_, sequence) => message({ key: 'a', sequence }, { key: 'a' })),
      never,
    )
    await eventually(() => child.of('delivered').length === 10)
    const sink = new Collector()
    await one.log.consume(source('readers', { prefetch: 10 }), sink)
    child.signal('SIGKILL')
    await child.gone()
    // One partition: either it was killed with it, or it had handed it over.
    await eventually(() => sink.deliveries.length === 30, 20_000)
    expect(disordered(sink.data as Numbered[])).toEqual([])
    const marks = sink.deliveries.map(({ redelivered }) => redelivered)
    const begun = child.of('delivered').map(({ data }) => (data as Numbered).sequence)
    for (const sequence of begun) expect(marks[sequence]).toBe(true)
  })

  it('from a stopped process: it delivers nothing any more, and its acks move nothing', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url, { leaseMs: 1_000, streams: [{ name: 'orders', partitions: 1 }] })
    const orders = [{ name: 'orders', partitions: 1 }]
    const held: Delivery[] = []
    // Begins as the owner of everything, in a process of its own.
    await using child = await startReader({
      url,
      group: 'stalled',
      partitions: 1,
      prefetch: 5,
      leaseMs: 1_000,
      acks: false,
    })
    await one.log.publish(
      Array.from({ length: 20 }, (_, sequence) => message({ key: 'a', sequence })),
      never,
    )
    await eventually(() => child.of('delivered').length === 5)
    child.signal('SIGSTOP')
    await one.log.consume(
      source('stalled', { streams: orders, prefetch: 5 }),
      new Collector((delivery) => held.push(delivery)),
    )
    await eventually(() => held.length === 5)
    expect(held.every(({ redelivered }) => redelivered)).toBe(true)
    held[0]?.ack()
    await eventually(async () => (await cursorOf(one)).after !== '0')
    const before = await cursorOf(one)
    child.ack()
    child.signal('SIGCONT')
    await eventually(() => child.of('acked').length === 1 && child.of('revoked').length > 0)
    await one.db.query('select pg_sleep(0.3)')
    const after = await cursorOf(one)
    expect({ ...after, ver: '' }).toEqual({ ...before, ver: '' })
    expect(child.of('delivered')).toHaveLength(5)
  })
})

async function cursorOf(one: TestLog): Promise<{ after: string; ver: string }> {
  const [row] = await one.db.query<{ after: string; ver: string }>(
    'select prev::text, target::text, after, ver, epoch from acuse.cursor order by after desc limit 1',
  )
  return row ?? { after: '0', ver: '0' }
}
