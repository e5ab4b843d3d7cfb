import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Delivery } from '@acuse/core'
import { openTestLog, startServer, type TestServer } from './database.ts'
import { Collector, dataOf, eventually, message, source } from './messages.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index)

describe('delivering', () => {
  it('brings what was published, whole and in order', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const sent = numbered(1_200).map((index) => message({ index }, { key: 'a' }))
    await one.log.publish(sent, never)
    const sink = new Collector()
    const subscription = await one.log.consume(source('readers'), sink)
    await eventually(() => sink.deliveries.length === 1_200)
    expect(sink.deliveries.map((delivery) => delivery.message)).toEqual(
      sent.map((one_) => ({ ...one_, partitions: 4 })),
    )
    expect(sink.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
    await subscription.stop(1_000)
    expect(one.errors).toEqual([])
  })

  it('starts a new group now, at the beginning, or at a time', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(
      numbered(3).map((index) => message(index)),
      never,
    )
    const [row] = await one.db.query<{ now: Date }>('select clock_timestamp() as now')
    await eventually(async () => {
      const [later] = await one.db.query<{ isLater: boolean }>(
        `select clock_timestamp() > $1::timestamptz + interval '2 ms' as "isLater"`,
        [row?.now],
      )
      return later?.isLater === true
    })
    await one.log.publish(
      numbered(3, 3).map((index) => message(index)),
      never,
    )
    const sinks = { now: new Collector(), earliest: new Collector(), time: new Collector() }
    await one.log.consume(source('now', { from: 'now' }), sinks.now)
    await one.log.consume(source('earliest', { from: 'earliest' }), sinks.earliest)
    await one.log.consume(source('time', { from: new Date((row?.now.getTime() ?? 0) + 1) }), sinks.time)
    await one.log.publish([message(6)], never)
    await eventually(() => sinks.earliest.data.includes(6) && sinks.now.data.includes(6) && sinks.time.data.includes(6))
    expect(sinks.earliest.data).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(sinks.time.data).toEqual([3, 4, 5, 6])
    expect(sinks.now.data).toEqual([6])
  })

  it('reads on where the group was, whatever start is asked for then', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish([message(0)], never)
    const first = new Collector()
    const subscription = await one.log.consume(source('readers'), first)
    await eventually(() => first.deliveries.length === 1)
    await subscription.stop(1_000)
    await one.log.publish([message(1)], never)
    for (const from of ['earliest', 'now', new Date(0)] as const) {
      const again = new Collector((delivery) => delivery.release())
      const reading = await one.log.consume(source('readers', { from }), again)
      await eventually(() => again.deliveries.length > 0)
      await reading.stop(1_000)
      expect(again.data[0]).toBe(1)
    }
  })

  it('passes over types that were not asked for', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const types = ['order.placed', 'order.paid', 'order.shipped']
    await one.log.publish(
      numbered(3_000).map((index) => message(index, { type: types[index % 3] ?? '' })),
      never,
    )
    const sink = new Collector()
    await one.log.consume(source('readers', { types: ['order.paid'], prefetch: 20 }), sink)
    await one.log.publish([message('no'), message('yes', { type: 'order.paid' })], never)
    await eventually(() => sink.data.includes('yes'))
    expect(sink.data).toEqual([...numbered(3_000).filter((index) => index % 3 === 1), 'yes'])
  })

  it('takes higher priorities first, and keeps order within one', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const priorities = ['normal', 'high', 'critical'] as const
    await one.log.publish(
      numbered(300).map((index) => message(index, { priority: priorities[index % 3] ?? 'normal' })),
      never,
    )
    const sink = new Collector()
    const subscription = await one.log.consume(source('readers', { prefetch: 10 }), sink)
    subscription.pause()
    // Both are read in one statement: what has reached the other has been read for this one.
    const other = new Collector()
    await one.log.consume(source('others'), other)
    await eventually(() => other.deliveries.length === 300)
    subscription.resume()
    await eventually(() => sink.deliveries.length === 300)
    const lane = (priority: string) =>
      sink.deliveries.filter((delivery) => delivery.message.priority === priority).map(dataOf) as number[]
    for (const [index, priority] of priorities.entries()) {
      expect(lane(priority)).toEqual(numbered(300).filter((number) => number % 3 === index))
    }
    const placeOf = (priority: string) => {
      const places = sink.deliveries.flatMap((one_, place) => (one_.message.priority === priority ? [place] : []))
      return places.reduce((sum, place) => sum + place, 0) / places.length
    }
    expect(placeOf('critical')).toBeLessThan(placeOf('normal'))
  })

  it('holds at most the prefetch, over all partitions, and goes on as it is settled', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(
      numbered(12_000).map((index) => message(index, { key: `key-${index % 97}` })),
      never,
    )
    const held: Delivery[] = []
    let most = 0
    const sink = new Collector((delivery) => {
      held.push(delivery)
      most = Math.max(most, held.length)
    })
    const subscription = await one.log.consume(source('readers', { prefetch: 5_000 }), sink)
    await eventually(() => held.length === 5_000)
    // From the last one, so that the cursor may not move for long.
    while (sink.deliveries.length < 12_000) {
      for (const delivery of held.splice(1_000)) delivery.ack()
      await eventually(() => sink.deliveries.length === 12_000 || held.length >= 5_000)
    }
    expect(most).toBe(5_000)
    // Who has read one more has read to the end of what was there before.
    await one.log.publish([message(12_000, { key: 'key-0' })], never)
    for (const delivery of held.splice(0)) delivery.ack()
    await eventually(() => held.length === 1)
    for (const delivery of held.splice(0)) delivery.ack()
    await subscription.stop(1_000)
    const sent = new Set(sink.deliveries.map(({ message: { id } }) => id))
    expect(sent.size).toBe(12_001)
    const cursors = await one.db.query<{ target: string | null }>('select target::text from acuse.cursor')
    expect(cursors.every(({ target }) => target === null)).toBe(true)
  })

  it('delivers again, in order, what was given back', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(
      numbered(20).map((index) => message(index)),
      never,
    )
    let refusals = 0
    const sink = new Collector((delivery) => {
      const index = dataOf(delivery) as number
      if (index >= 5 && refusals < 10) {
        refusals++
        delivery.release()
        delivery.ack()
      } else delivery.ack()
    })
    const subscription = await one.log.consume(source('readers', { prefetch: 5 }), sink)
    await eventually(() => new Set(sink.data).size === 20)
    expect(sink.data.slice(-15)).toEqual(numbered(15, 5))
    expect(sink.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
    await subscription.stop(1_000)
  })

  it('delivers nothing while paused', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const sink = new Collector()
    const other = new Collector()
    const subscription = await one.log.consume(source('readers'), sink)
    await one.log.consume(source('others'), other)
    subscription.pause()
    await one.log.publish([message(1)], never)
    await eventually(() => other.deliveries.length === 1)
    expect(sink.data).toEqual([])
    subscription.resume()
    await eventually(() => sink.deliveries.length === 1)
  })

  it('lets a relay read every stream, also one registered later, from its beginning', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url)
    await using other = await openTestLog(url)
    await one.log.publish([message('before', { stream: 'first' })], never)
    const sink = new Collector()
    await one.log.consume(source('$relay', { streams: 'all' }), sink)
    await other.log.publish(
      [message('after', { stream: 'second' }), message('more', { stream: 'third', priority: 'high' })],
      never,
    )
    await eventually(() => sink.deliveries.length === 3)
    expect(sink.deliveries.map((delivery) => delivery.message.stream).toSorted()).toEqual(['first', 'second', 'third'])
  })

  it('bounds what it holds by bytes too', async () => {
    await using one = await openTestLog(await server.newDatabase())
    const large = 'x'.repeat(1_000_000)
    for (let sent = 0; sent < 50; sent += 10) {
      await one.log.publish(
        numbered(10, sent).map((index) => message({ index, large }, { key: `${index}` })),
        never,
      )
    }
    const held: Delivery[] = []
    const sink = new Collector((delivery) => held.push(delivery))
    const subscription = await one.log.consume(source('readers', { prefetch: 1_000 }), sink)
    await eventually(() => held.length >= 14)
    // Each of four partitions may end its page with one message more than fits.
    expect(held.length).toBeLessThanOrEqual(22)
    await eventually(() => {
      for (const delivery of held.splice(0)) delivery.ack()
      return sink.deliveries.length === 50
    })
    await subscription.stop(1_000)
  })
})

describe('stopping', () => {
  it('waits for what is being handled, stores what was acked and leaves the rest', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(
      numbered(10).map((index) => message(index)),
      never,
    )
    const held: Delivery[] = []
    const subscription = await one.log.consume(
      source('readers', { prefetch: 4 }),
      new Collector((one_) => held.push(one_)),
    )
    await eventually(() => held.length === 4)
    let stopped = false
    const stopping = subscription.stop(5_000).then(() => {
      stopped = true
    })
    held[0]?.ack()
    held[1]?.ack()
    held[2]?.release()
    await one.db.query('select pg_sleep(0.05)')
    expect(stopped).toBe(false)
    held[3]?.release()
    await stopping
    expect(await one.db.query('select from acuse.member')).toEqual([])
    const again = new Collector()
    await one.log.consume(source('readers'), again)
    await eventually(() => again.deliveries.length === 8)
    expect(again.data).toEqual(numbered(8, 2))
    expect(again.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
  })

  it('settles by its deadline with messages unsettled, which come again as suspects', async () => {
    await using one = await openTestLog(await server.newDatabase())
    await one.log.publish(
      numbered(3).map((index) => message(index)),
      never,
    )
    const stuck = new Collector(() => undefined)
    const subscription = await one.log.consume(source('readers', { prefetch: 2 }), stuck)
    await eventually(() => stuck.deliveries.length === 2)
    const began = performance.now()
    await subscription.stop(100)
    expect(performance.now() - began).toBeLessThan(5_000)
    const again = new Collector()
    await one.log.consume(source('readers'), again)
    await eventually(() => again.deliveries.length === 3)
    expect(again.deliveries.map(({ redelivered }) => redelivered)).toEqual([true, true, false])
  })
})
