import { AcuseError, type Bus, createBus, stream, type StandardSchema, systemClock } from '@acuse/core'
import { createMemoryDatabase, eventually, memoryStore, memoryTransport } from '@acuse/testing'
import type { PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { pg } from '../../src/clients/pg.ts'
import { createTestDatabase } from '../database.ts'

interface Noted {
  readonly key: string
  readonly n: number
}

const schema: StandardSchema<Noted> = {
  // What is published here is right.
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Noted }) },
}
const Noted = stream('notes', { partitions: 4 }).message('noted', { schema, key: ({ key }) => key })

/** Enough for a relay to set them aside, and few of each key: those are sent one after the other. */
const count = 10
const keys = Array.from({ length: 120 }, (_, index) => `k${index}`)

it(
  'what stalls for long is set aside in the database, survives its process, and is sent in order by the next',
  { timeout: 180_000 },
  async () => {
    const database = await createTestDatabase()
    onTestFinished(() => database[Symbol.asyncDispose]())
    const transport = memoryTransport(systemClock)
    const open = async (): Promise<Bus<PoolClient>> => {
      const bus = createBus({ service: 'shop', store: pg(database.pool({ max: 6 })), transport })
      await bus.start()
      onTestFinished(() => bus.stop({ deadlineMs: 1_000 }))
      return bus
    }
    const seen: Noted[] = []
    const reader = createBus({ service: 'reader', store: memoryStore(createMemoryDatabase(systemClock)), transport })
    reader.group().on(Noted, ({ data }) => void seen.push(data))
    await reader.start()
    onTestFinished(() => reader.stop())
    const seenOf = (key: string): number[] => seen.filter((one) => one.key === key).map(({ n }) => n)

    const full = new AcuseError('ACUSE_DESTINATION_UNAVAILABLE', 'its queue is full')
    const mend = transport.failPublish(({ key }) => key?.startsWith('k') === true, full)
    const first = await open()
    await first.transaction(async (_tx, publish) => {
      for (let n = 0; n < count; n++) for (const key of keys) publish(Noted({ key, n }))
    })
    await eventually(async () => expect((await first.state()).relay?.parked.retry).toBeGreaterThan(0), {
      timeoutMs: 60_000,
    })
    await first.publishNow(Noted({ key: 'other', n: 0 }))
    await eventually(() => expect(seenOf('other')).toEqual([0]), { timeoutMs: 30_000 })
    await first.stop({ deadlineMs: 1_000 })

    mend()
    const next = await open()
    await next.transaction(async (_tx, publish) => {
      for (const key of keys) publish(Noted({ key, n: count }))
    })
    const all = Array.from({ length: count + 1 }, (_, n) => n)
    for (const key of keys) await eventually(() => expect(seenOf(key)).toEqual(all), { timeoutMs: 90_000 })
    await eventually(
      async () => expect((await next.state()).relay).toMatchObject({ unconfirmed: 0, stalled: [], parked: {} }),
      { timeoutMs: 30_000 },
    )
  },
)
