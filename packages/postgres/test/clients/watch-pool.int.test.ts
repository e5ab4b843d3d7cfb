import { type StoreFactory } from '@acuse/core'
import createKnex, { type Knex } from 'knex'
import type { ClientBase } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { knex } from '../../src/clients/knex.ts'
import { pg } from '../../src/clients/pg.ts'
import { createTestDatabase } from '../database.ts'
import { storeContext } from '../store/store-fixture.ts'

/** One bus after the other uses a pool, and takes its only connection; answers how many listen to that after each. */
async function listenersAfter<Tx>(
  factory: StoreFactory<Tx>,
  connectionOf: (tx: Tx) => ClientBase | Promise<ClientBase>,
): Promise<number[]> {
  const listeners: number[] = []
  for (let bus = 0; bus < 3; bus++) {
    await using store = await factory(storeContext({ effectConnections: 1 }))
    const client = await store.transaction(async (tx) => await connectionOf(tx))
    listeners.push(client.listenerCount('error'))
  }
  return listeners
}

test('many buses on one pool leave no more listeners on its connections than one', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const [first, ...later] = await listenersAfter(pg(database.pool({ max: 1 })), (client) => client)
  expect(later).toEqual([first, first])
})

test('on one of Knex neither', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const instance = createKnex({ client: 'pg', connection: database.url, pool: { min: 1, max: 1 } })
  onTestFinished(() => instance.destroy())
  const [first, ...later] = await listenersAfter<Knex.Transaction>(knex(instance), async (tx) => {
    const { client } = tx as unknown as { readonly client: { acquireConnection(): Promise<ClientBase> } }
    return await client.acquireConnection()
  })
  expect(later).toEqual([first, first])
})
