import assert from 'node:assert/strict'
import type { Store } from '@acuse/core'
import type { Case } from './case.ts'
import { uniqueName, wire } from './messages.ts'
import type { StoreWorld } from './store-world.ts'

/** Recurring messages. */
export function cronCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a cron entry fires once when it is due, with the time it was due, and moves on',
      async run(world) {
        const store = await world.open()
        const entry = await register(world, store, 1)
        const early = await entry.run(store)
        assert.ok(early !== null && early > 0 && early <= world.unitMs)
        assert.deepEqual(entry.fired, [])
        await world.advance(1.1)
        const next = await entry.run(store)
        assert.ok(next !== null && next > world.unitMs && next <= 2 * world.unitMs, `due in ${next}`)
        assert.deepEqual(entry.fired, [entry.firstAt.toISOString()])
        await entry.run(store)
        await world.advance(2.1)
        await entry.run(store)
        assert.equal(entry.fired.length, 2)
        assert.deepEqual(await world.logged(store, 2), ['fired 1', 'fired 2'])
      },
    },
    {
      name: 'of several runners of one entry one fires',
      async run(world) {
        const stores = [await world.open('one'), await world.open('two'), await world.open('three')]
        const [store] = stores
        assert.ok(store)
        const entry = await register(world, store, 1)
        await world.advance(1.1)
        await Promise.all([...stores, ...stores].map((each) => entry.run(each)))
        await Promise.all(stores.map((each) => entry.run(each)))
        assert.equal((await world.logged(store, 1)).length, 1)
      },
    },
    {
      name: 'the same expression keeps its time, a changed one starts anew',
      async run(world) {
        const store = await world.open()
        const name = uniqueName('cron')
        const now = (await store.schedule.now()).getTime()
        const dueIn = async (): Promise<number> =>
          (await store.schedule.runCron(name, async () => {
            throw new Error('it is not due')
          })) ?? -1
        const inUnits = (units: number): Date => new Date(now + units * world.unitMs)
        await store.schedule.registerCron(name, '0 3 * * *', inUnits(10))
        await store.schedule.registerCron(name, '0 3 * * *', inUnits(2))
        assert.ok((await dueIn()) > 8 * world.unitMs, 'an unchanged expression was moved')
        await store.schedule.registerCron(name, '0 4 * * *', inUnits(5))
        const due = await dueIn()
        assert.ok(due > 3 * world.unitMs && due <= 5 * world.unitMs, 'a changed expression was not moved')
      },
    },
    {
      name: 'an entry whose message cannot be made stays due, and nothing is appended',
      async run(world) {
        const store = await world.open()
        const entry = await register(world, store, 1)
        await world.advance(1.1)
        const failure = new Error('no message today')
        await assert.rejects(
          store.schedule.runCron(entry.name, async () => {
            throw failure
          }),
          (error) => error === failure,
        )
        assert.deepEqual(await world.logged(store, 0), [])
        await entry.run(store)
        assert.deepEqual(entry.fired, [entry.firstAt.toISOString()])
      },
    },
    {
      name: 'an entry nobody registered gives null',
      async run(world) {
        const store = await world.open()
        const due = await store.schedule.runCron(uniqueName('cron'), async () => {
          throw new Error('it is not registered')
        })
        assert.equal(due, null)
      },
    },
  ]
}

interface Entry<Tx> {
  readonly name: string
  readonly firstAt: Date
  /** The times it fired for. */
  readonly fired: string[]
  /** Runs it; each time it fires it is due again two units later. */
  run(store: Store<Tx>): Promise<number | null>
}

async function register<Tx>(world: StoreWorld<Tx>, store: Store<Tx>, dueInUnits: number): Promise<Entry<Tx>> {
  const name = uniqueName('cron')
  const firstAt = new Date((await store.schedule.now()).getTime() + dueInUnits * world.unitMs)
  await store.schedule.registerCron(name, '* * * * *', firstAt)
  const fired: string[] = []
  const run = (by: Store<Tx>): Promise<number | null> =>
    by.schedule.runCron(name, async (dueAt, now) => {
      assert.ok(now >= dueAt, 'fired early')
      fired.push(dueAt.toISOString())
      const nextAt = new Date(now.getTime() + 2 * world.unitMs)
      return { message: wire(`fired ${fired.length}`, { stream: world.stream, key: 'cron' }), nextAt }
    })
  return { name, firstAt, fired, run }
}
