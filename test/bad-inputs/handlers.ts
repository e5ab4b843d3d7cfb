import { exponential, type HandlerPublish } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { expect } from 'vitest'
import { type Case, effect, Order, quick, shop } from './shop.ts'

export const handlerCases: readonly Case[] = [
  {
    n: 20,
    what: 'a handler that throws a non-Error: recorded',
    run: async () => {
      const at = await shop((bus) => {
        bus.group(quick).on(Order, ({ data }) => {
          const thrown: unknown = data.id === 'text' ? 'just text' : undefined
          throw thrown
        })
      })
      await at.bus.publishNow(Order({ id: 'text' }))
      await at.bus.publishNow(Order({ id: 'nothing' }))
      const letters = await at.untilDead(2)
      expect(letters.map(({ error }) => error.message).toSorted()).toEqual(['just text', 'undefined'])
    },
  },
  {
    n: 21,
    what: 'a handler that never settles: abandoned, its connection ended, retried',
    run: async () => {
      let calls = 0
      const at = await shop((bus) => {
        bus.group({ ...quick, timeoutMs: 200 }).on(Order, async ({ data }, { tx }) => {
          await effect(tx, `${data.id} at call ${++calls}`)
          if (calls === 1) await new Promise(() => undefined)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilEffects(['a at call 2'])
    },
  },
  {
    n: 22,
    what: 'a handler that blocks the event loop past its lease: applied once',
    run: async () => {
      let blocked = false
      const at = await shop((bus) => {
        // A lease that runs out counts as an attempt: on a busy machine this short one may do so more than once.
        const retry = exponential({ attempts: 100, baseMs: 10, maxMs: 20 })
        bus.group({ ...quick, leaseMs: 200, retry }).on(Order, async ({ data }, { tx, attempt }) => {
          if (attempt === 1 && data.id === 'a') throw new Error('park it, so that it runs under a lease')
          if (!blocked) {
            blocked = true
            const until = Date.now() + 700
            while (Date.now() < until);
          }
          await effect(tx, data.id)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.bus.publishNow(Order({ id: 'b' }))
      await eventually(
        async () => {
          const found = await at.effects()
          if (found.length < 2) throw new Error(found.join())
        },
        { timeoutMs: 40_000 },
      )
      expect((await at.effects()).toSorted()).toEqual(['a', 'b'])
    },
  },
  {
    n: 25,
    what: 'a handler that swallows a failed statement: rolled back, not applied by halves',
    run: async () => {
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx, attempt }) => {
          await effect(tx, `${data.id} at attempt ${attempt}`)
          if (attempt === 1) await tx.query('select 1/0').catch(() => undefined)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilEffects(['a at attempt 2'])
    },
  },
  {
    n: 26,
    what: 'a handler that publishes after it returned: an error, and nothing is published',
    run: async () => {
      let kept: HandlerPublish | undefined
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx, publish }) => {
          kept = publish
          await effect(tx, data.id)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilEffects(['a'])
      expect(() => kept?.(Order({ id: 'b' }))).toThrow(/after its handler had returned/)
      const client = await at.pool.connect()
      client.release()
      await expect(at.bus.publish(client, Order({ id: 'c' }))).rejects.toMatchObject({
        code: 'ACUSE_NOT_IN_TRANSACTION',
      })
      expect((await at.pool.query('select 1 from acuse.log')).rowCount).toBe(1)
    },
  },
]
