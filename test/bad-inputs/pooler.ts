import { startPgBouncer } from '@acuse-proof/servers'
import { type AcuseError, type Diagnostics, listen, saga, stream } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { expect, inject } from 'vitest'
import { z } from 'zod'
import { type Case, effect, quick, shop } from './shop.ts'

const parcels = stream('parcels', { partitions: 4 })
const keyOf = ({ id }: { readonly id: string }): string => id
const Packed = parcels.message('packed', {
  schema: z.object({ id: z.string(), n: z.number(), does: z.enum(['stumble', 'fail']).optional() }),
  key: keyOf,
})
const Waiting = parcels.message('waiting', { schema: z.object({ id: z.string() }), key: keyOf })
const Fetched = parcels.message('fetched', { schema: z.object({ id: z.string() }), key: keyOf })

const waiting = saga('waiting', () => ({ since: 0 }))
  .on(Waiting, { id: ({ data }) => data.id, starts: true }, (state) => ({ state, timeouts: { fetch: 200 } }))
  .onTimeout('fetch', (_state, id) => ({ publish: [Fetched({ id })], complete: true }))

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const perKey = 10
const patience = { timeoutMs: 30_000 }

/** What the n-th parcel of a key does when it is handled. */
function doingOf(id: string, n: number): { readonly does?: 'stumble' | 'fail' } {
  if (id === 'a' && n === 3) return { does: 'stumble' }
  return id === 'b' && n === 4 ? { does: 'fail' } : {}
}

export const poolerCases: readonly Case[] = [
  {
    n: 35,
    what: 'a pooler in transaction mode: all is delivered in order, retried, dead-lettered, replayed and fired on time',
    run: async () => {
      // Fewer connections than the service opens, so that its transactions move about between them.
      await using pooler = await startPgBouncer({ upstream: inject('adminUrl'), lines: ['default_pool_size = 6'] })
      const retries: Diagnostics['retrying'][] = []
      const stopListening = listen('retrying', (what) => void retries.push(what))
      const errors: AcuseError[] = []
      let isHealed = false
      const at = await shop(
        (bus) => {
          bus
            .group('packing', quick)
            .on(Packed, async ({ data }, { tx, attempt }) => {
              await effect(tx, `${data.id} ${data.n}`)
              if (data.does === 'stumble' && attempt < 3) throw new Error('the first two attempts fail')
              if (data.does === 'fail' && !isHealed) throw new Error('every attempt fails')
            })
            .on(Fetched, ({ data }, { tx }) => effect(tx, `${data.id} fetched`))
          bus.saga(waiting, quick)
        },
        {
          poolSize: 20,
          through: (database) => pooler.urlOf(database),
          storeOptions: { log: { pollMaxMs: 500 } },
          onError: (error) => errors.push(error),
        },
      )
      await at.bus.transaction(async (_tx, publish) => {
        publish(Packed({ id: 'later', n: 0 }), { deliverAfterMs: 300 })
        for (const id of keys) publish(Waiting({ id }))
      })
      const publishing = keys.map(async (id) => {
        for (let n = 0; n < perKey; n++) {
          await at.bus.transaction(async (_tx, publish) => publish(Packed({ id, n, ...doingOf(id, n) })))
        }
      })
      await Promise.all(publishing)
      const wanted = keys.length * (perKey + 1)
      await eventually(async () => expect((await at.effects()).length).toBe(wanted), patience)
      const [letter] = await at.untilDead(1)
      expect(letter).toMatchObject({ reason: 'attempts-exhausted', attempts: 3 })
      isHealed = true
      await at.bus.deadLetters.replay({ group: 'packing' })
      await eventually(async () => expect((await at.effects()).length).toBe(wanted + 1), patience)
      stopListening()
      const effects = await at.effects()
      for (const id of keys) {
        const numbers = Array.from({ length: perKey }, (_, n) => n)
        // What was dead is applied last, by its replay.
        const expected = id === 'b' ? [...numbers.filter((n) => n !== 4), 4] : numbers
        const found = effects.filter((what) => what.startsWith(`${id} `) && !what.endsWith('fetched'))
        expect(found).toEqual(expected.map((n) => `${id} ${n}`))
      }
      expect(effects.filter((what) => what.endsWith('fetched')).toSorted()).toEqual(keys.map((id) => `${id} fetched`))
      expect(effects).toContain('later 0')
      expect(retries.map(({ type, attempts }) => [type, attempts])).toHaveLength(4)
      expect(errors).toEqual([])
      await at.bus.stop({ deadlineMs: 5_000 })
    },
  },
]
