import { type Bus, createBus, exponential, stream } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { PoolClient } from 'pg'
import { expect } from 'vitest'
import { z } from 'zod'
import { type Case, Order, shop } from './shop.ts'

const schema = z.object({})

async function anyBus(): Promise<Bus<PoolClient>> {
  const { pool } = await shop(() => undefined)
  return createBus({ service: 'other', store: pg(pool) })
}

export const nameCases: readonly Case[] = [
  {
    n: 15,
    what: 'SQL or wildcard metacharacters in names',
    run: async () => {
      const bus = await anyBus()
      for (const name of ['"; drop table log; --', 'orders.*', 'orders.>', 'orders#', "o'clock", 'a b', '']) {
        expect(() => stream(name)).toThrow(/not a valid name/)
        expect(() => stream('s').message(name, { schema })).toThrow(/not a valid name/)
        expect(() => bus.group(name)).toThrow(/not a valid name/)
        expect(() => bus.cron(name, '* * * * *', () => Order({ id: 'a' }))).toThrow(/not a valid name/)
      }
      const { pool } = await shop(() => undefined)
      const odd = createBus({ service: 'odd', store: pg(pool, { schema: 'x"; drop table effects; --' }) })
      await expect(odd.start()).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
      expect((await pool.query('select 1 from effects')).rowCount).toBe(0)
    },
  },
  {
    n: 16,
    what: 'names over 63 bytes',
    run: async () => {
      const bus = await anyBus()
      expect(() => bus.group('g'.repeat(64))).toThrow(/64 bytes long; at most 63/)
      expect(() => stream('s'.repeat(64))).toThrow(/64 bytes long; at most 63/)
    },
  },
  {
    n: 17,
    what: 'two handlers for one group and type',
    run: async () => {
      const bus = await anyBus()
      const group = bus.group('twice').on(Order, () => undefined)
      expect(() => group.on(Order, () => undefined)).toThrow(/group twice has a handler for order already/)
    },
  },
  {
    n: 18,
    what: 'negative and NaN delays',
    run: async () => {
      const { bus } = await shop(() => undefined)
      for (const deliverAfterMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(bus.publishNow(Order({ id: 'a' }), { deliverAfterMs })).rejects.toMatchObject({
          code: 'ACUSE_CONFIGURATION',
        })
      }
      expect(() => exponential({ attempts: 2, baseMs: -5, maxMs: 10 })).toThrow(/baseMs/)
      expect(() => exponential({ attempts: Number.NaN, baseMs: 5, maxMs: 10 })).toThrow(/attempts/)
    },
  },
  {
    n: 19,
    what: 'an existing stream with other partitions: both are named, nothing is changed',
    run: async () => {
      const { bus, pool } = await shop((b) => void b.group('first').on(Order, () => undefined))
      await bus.publishNow(Order({ id: 'a' }))
      const Other = stream('orders', { partitions: 8 }).message('order', {
        schema: z.object({ id: z.string() }),
        key: ({ id }) => id,
      })
      const other = createBus({ service: 'other', store: pg(pool) })
      other.group('second').on(Other, () => undefined)
      await expect(other.start()).rejects.toMatchObject({
        code: 'ACUSE_STREAM_MISMATCH',
        message: expect.stringMatching(/\b2\b.*\b8\b|\b8\b.*\b2\b/),
      })
      const publisher = createBus({ service: 'publisher', store: pg(pool) })
      await publisher.start()
      await expect(publisher.publishNow(Other({ id: 'a' }))).rejects.toMatchObject({ code: 'ACUSE_STREAM_MISMATCH' })
      await publisher.stop()
    },
  },
]
