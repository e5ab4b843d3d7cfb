import assert from 'node:assert/strict'
import type { SagaRecord, Store } from '@acuse/core'
import type { Case } from './case.ts'
import { uniqueName } from './messages.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** The states of sagas, each written by whoever read the version before. */
export function sagaCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a saga is kept as it was written, by saga and id',
      async run(world) {
        const store = await world.open()
        const saga = uniqueName('saga')
        const record: SagaRecord = {
          state: { total: 12.5, lines: [{ sku: 'ñ-🚚' }], note: null, 'odd "key"': ['', 0, false] },
          version: 1,
          completed: true,
          timeouts: { expiry: 'id-1', 'second one': 'id-2' },
        }
        assert.equal(await load(store, saga, 's1'), undefined)
        assert.equal(await save(store, saga, 's1', record), true)
        assert.deepEqual(await load(await world.open('other'), saga, 's1'), record)
        assert.equal(await load(store, saga, 's2'), undefined)
        assert.equal(await load(store, uniqueName('saga'), 's1'), undefined)
        assert.equal(await save(store, saga, 's1', recordOf(2, 'next')), true)
        assert.deepEqual(await load(store, saga, 's1'), recordOf(2, 'next'))
      },
    },
    {
      name: 'only who knows the stored version may write the next one',
      async run(world) {
        const store = await world.open()
        const saga = uniqueName('saga')
        assert.equal(await save(store, saga, 's1', recordOf(2, 'nothing is stored')), false)
        assert.equal(await save(store, saga, 's1', recordOf(1, 'first')), true)
        for (const version of [1, 3]) assert.equal(await save(store, saga, 's1', recordOf(version, 'wrong')), false)
        assert.deepEqual(await load(store, saga, 's1'), recordOf(1, 'first'))
      },
    },
    {
      name: 'a save waits for another of the same saga, and is refused if that commits',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const saga = uniqueName('saga')
        for (const version of [1, 2]) {
          const first = await world.hold(store, (tx) => store.sagas.save(tx, saga, 's1', recordOf(version, 'first')))
          assert.equal(first.result, true)
          const second = save(other, saga, 's1', recordOf(version, 'second'))
          await world.waits(second, 'save')
          await first.commit()
          assert.equal(await second, false)
          assert.deepEqual(await load(store, saga, 's1'), recordOf(version, 'first'))
        }
      },
    },
    {
      name: 'a rolled back save leaves the saga to others',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const saga = uniqueName('saga')
        const first = await world.hold(store, (tx) => store.sagas.save(tx, saga, 's1', recordOf(1, 'first')))
        const second = save(other, saga, 's1', recordOf(1, 'second'))
        await world.waits(second, 'save')
        await first.rollBack()
        assert.equal(await second, true)
        assert.equal(await inRolledBack(store, (tx) => store.sagas.save(tx, saga, 's1', recordOf(2, 'lost'))), true)
        assert.deepEqual(await load(store, saga, 's1'), recordOf(1, 'second'))
      },
    },
    {
      name: 'of many updates at once none is lost',
      async run(world) {
        const stores = [await world.open('one'), await world.open('two')]
        const saga = uniqueName('saga')
        const add = async (store: Store<Tx>): Promise<void> => {
          for (let attempt = 0; attempt < 200; attempt++) {
            const saved = await store.transaction(async (tx) => {
              const record = await store.sagas.load(tx, saga, 's1')
              const count = typeof record?.state === 'number' ? record.state : 0
              return store.sagas.save(tx, saga, 's1', recordOf((record?.version ?? 0) + 1, count + 1))
            })
            if (saved) return
            await world.wait(1)
          }
          throw new Error('200 saves were refused')
        }
        for (let round = 0; round < 5; round++) await Promise.all([...stores, ...stores].map(add))
        const [store] = stores
        assert.ok(store)
        assert.deepEqual(await load(store, saga, 's1'), recordOf(20, 20))
      },
    },
  ]
}

function recordOf(version: number, state: unknown): SagaRecord {
  return { state, version, completed: false, timeouts: {} }
}

function load<Tx>(store: Store<Tx>, saga: string, id: string): Promise<SagaRecord | undefined> {
  return store.transaction((tx) => store.sagas.load(tx, saga, id))
}

function save<Tx>(store: Store<Tx>, saga: string, id: string, record: SagaRecord): Promise<boolean> {
  return store.transaction((tx) => store.sagas.save(tx, saga, id, record))
}
