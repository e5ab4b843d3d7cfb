import { eventually } from '@acuse/testing'
import { expect } from 'vitest'
import { type Case, effect, Order, quick, shop } from './shop.ts'

export const databaseCases: readonly Case[] = [
  {
    n: 28,
    what: 'a connection lost during COMMIT: the inbox tells what happened, and the effect is there once',
    run: async () => {
      const at = await shop((bus) => {
        bus.group(quick).on(Order, ({ data }, { tx }) => effect(tx, data.id))
      })
      // A deferred trigger holds COMMIT open long enough for its backend to be ended.
      await at.pool.query(`
        create table slow(done boolean);
        create function hold() returns trigger language plpgsql as $$
          begin if not exists (select 1 from slow) then perform pg_sleep(5); end if; return null; end $$;
        create constraint trigger hold after insert on effects deferrable initially deferred for each row execute function hold()`)
      await at.bus.publishNow(Order({ id: 'a' }))
      await eventually(async () => {
        const { rowCount } = await at.pool.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'commit%' and state = 'active'",
        )
        if (rowCount === 0) throw new Error('nobody commits yet')
      })
      await at.pool.query('insert into slow values (true)')
      await at.untilEffects(['a'])
      expect(await at.bus.deadLetters.list()).toEqual([])
    },
  },
  {
    n: 29,
    what: 'an exhausted pool: messages wait, spend no attempt, and go on when there is room',
    run: async () => {
      const at = await shop(
        (bus) => {
          bus.group({ ...quick, concurrency: 2 }).on(Order, ({ data }, { tx }) => effect(tx, data.id))
        },
        { poolSize: 4 },
      )
      const taken = await Promise.all([at.pool.connect(), at.pool.connect(), at.pool.connect()])
      await taken[0]?.query('begin')
      const client = taken[0]
      if (client === undefined) throw new Error('no client')
      await at.bus.publish(client, Order({ id: 'a' }))
      await client.query('commit')
      for (const one of taken) one.release()
      await at.untilEffects(['a'])
      expect(await at.bus.deadLetters.list()).toEqual([])
    },
  },
  {
    n: 31,
    what: 'a deadlock: repeated at once, spending no attempt',
    run: async () => {
      const attempts: number[] = []
      const both = Promise.withResolvers<void>()
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx, attempt }) => {
          const [first, second] = data.id === 'a' ? [1, 2] : [2, 1]
          await tx.query('update accounts set n = n + 1 where id = $1', [first])
          // Each holds its first row before either asks for the other's.
          if (attempts.push(attempt) === 2) both.resolve()
          await both.promise
          await tx.query('update accounts set n = n + 1 where id = $1', [second])
          await effect(tx, data.id)
        })
      })
      await at.pool.query(
        'create table accounts(id int primary key, n int); insert into accounts values (1, 0), (2, 0)',
      )
      await at.bus.transaction(async (_tx, publish) => {
        publish(Order({ id: 'a' }))
        publish(Order({ id: 'b' }))
      })
      await eventually(async () => {
        if ((await at.effects()).length < 2) throw new Error('not both yet')
      })
      expect(new Set(attempts)).toEqual(new Set([1]))
      expect(attempts.length).toBeGreaterThan(2)
      expect((await at.pool.query('select n from accounts')).rows).toEqual([{ n: 2 }, { n: 2 }])
    },
  },
  {
    n: 32,
    what: 'a serialization failure: repeated at once, spending no attempt',
    run: async () => {
      const attempts: number[] = []
      const at = await shop((bus) => {
        bus.group(quick).on(Order, async ({ data }, { tx, attempt }) => {
          attempts.push(attempt)
          if (attempts.length < 3)
            await tx.query("do $$ begin raise exception 'conflict' using errcode = '40001'; end $$")
          await effect(tx, data.id)
        })
      })
      await at.bus.publishNow(Order({ id: 'a' }))
      await at.untilEffects(['a'])
      expect(attempts).toEqual([1, 1, 1])
    },
  },
]
