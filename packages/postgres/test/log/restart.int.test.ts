import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Delivery } from '@acuse/core'
import { openTestLog, startServer, type TestLog, type TestServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const never = new AbortController().signal

async function publishUntilConfirmed({ log }: TestLog, index: number): Promise<void> {
  await eventually(async () => {
    const [result] = await log.publish([message(index, { id: `message-${index}` })], never)
    return result?.state === 'delivered'
  }, 30_000)
}

describe('a restart of the database', () => {
  it.each(['fast', 'immediate'] as const)('in mid-reading loses nothing (%s)', async (mode) => {
    const url = await server.newDatabase()
    await using publishing = await openTestLog(url)
    await using reading = await openTestLog(url)
    const sink = new Collector((delivery) => void setImmediate(() => delivery.ack()))
    const subscription = await reading.log.consume(source('readers', { prefetch: 10 }), sink)
    const restarted = new AbortController()
    const restarting = eventually(() => sink.deliveries.length > 50)
      .then(() => server.server.restart(mode))
      .finally(() => restarted.abort())
    let published = 0
    while (!restarted.signal.aborted || published < 200) await publishUntilConfirmed(publishing, published++)
    await restarting
    await eventually(() => new Set(sink.data).size === published, 30_000)
    // Published twice where the answer was lost, but never delivered out of order the first time.
    const firsts = [...new Set(sink.data as number[])]
    expect(firsts).toEqual(firsts.toSorted((one, other) => one - other))
    expect(reading.errors.every(({ retryable }) => retryable)).toBe(true)
    await subscription.stop(5_000)
  })

  it('longer than a lease ends the leases, and what is read after it was begun by nobody', async () => {
    const url = await server.newDatabase()
    await using one = await openTestLog(url, { leaseMs: 500 })
    await one.log.publish(
      Array.from({ length: 10 }, (_, index) => message(index)),
      never,
    )
    const held: Delivery[] = []
    const sink = new Collector((delivery) => held.push(delivery))
    sink.revoke = (partition) => {
      sink.revoked.push(partition)
      for (const delivery of held.splice(0)) delivery.release()
      return Promise.resolve()
    }
    await one.log.consume(source('readers', { prefetch: 4 }), sink)
    await eventually(() => held.length === 4)
    await server.server.kill()
    await eventually(() => sink.revoked.length === 12)
    expect(one.errors.map(({ code }) => code)).toContain('ACUSE_LEASE_LOST')
    const before = sink.deliveries.length
    await server.server.start()
    await eventually(() => {
      for (const delivery of held.splice(0)) delivery.ack()
      return sink.deliveries.length === before + 10
    }, 30_000)
    expect(sink.data.slice(before)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(sink.deliveries.some(({ redelivered }) => redelivered)).toBe(false)
  })
})
