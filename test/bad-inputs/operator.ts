import { eventually } from '@acuse/testing'
import { expect } from 'vitest'
import { type Case, effect, Order, quick, shop } from './shop.ts'

export const operatorCases: readonly Case[] = [
  {
    n: 40,
    what: 'replaying twice is replaying once',
    run: async () => {
      let broken = true
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx }) => {
          if (broken) throw new Error('broken')
          await effect(tx, data.id)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilDead(1)
      broken = false
      const replayed = await Promise.all([
        at.bus.deadLetters.replay({}),
        at.bus.deadLetters.replay({}),
        at.bus.deadLetters.replay({}),
      ])
      expect(replayed.toSorted()).toEqual([0, 0, 1])
      await at.untilEffects(['a'])
      expect(await at.bus.deadLetters.replay({})).toBe(0)
      await eventually(async () => {
        const [letter] = await at.bus.deadLetters.list({ state: 'replayed' })
        if (letter === undefined) throw new Error('not yet')
      })
      expect(await at.effects()).toEqual(['a'])
    },
  },
  {
    n: 41,
    what: 'purging the inbox keeps what dead letters still need, and replaying beyond it is refused unless forced',
    run: async () => {
      let broken = true
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx }) => {
          if (broken) throw new Error('broken')
          await effect(tx, data.id)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilDead(1)
      broken = false
      expect(await at.bus.deadLetters.list({ state: 'dead' })).toHaveLength(1)
      // Somebody has emptied the inbox by hand.
      await at.pool.query('delete from acuse.inbox')
      await expect(at.bus.deadLetters.replay({})).rejects.toMatchObject({ code: 'ACUSE_REPLAY_REFUSED' })
      expect(await at.bus.deadLetters.replay({}, { force: true })).toBe(1)
      await at.untilEffects(['a'])
    },
  },
  {
    n: 42,
    what: 'cancelling mid-replay: what was taken runs, the rest stays dead and can be taken later',
    run: async () => {
      let broken = true
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx }) => {
          if (broken) throw new Error('broken')
          await effect(tx, data.id)
        })
      })
      for (const id of ['a', 'b', 'c', 'd']) await at.bus.publishNow(Order({ id }))
      await at.untilDead(4)
      broken = false
      expect(await at.bus.deadLetters.replay({ limit: 2 })).toBe(2)
      await eventually(async () => {
        if ((await at.effects()).length !== 2) throw new Error('not yet')
      })
      expect(await at.bus.deadLetters.list({ state: 'dead' })).toHaveLength(2)
      expect(await at.bus.deadLetters.replay({})).toBe(2)
      await eventually(async () => {
        if ((await at.effects()).length !== 4) throw new Error('not yet')
      })
      expect((await at.effects()).toSorted()).toEqual(['a', 'b', 'c', 'd'])
    },
  },
]
