import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { embedded, openEmbedded } from '../../src/clients/embedded.ts'
import { message } from '../messages.ts'
import { storeContext } from '../store/store-fixture.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-embedded-store-'))
  await chmod(folder, 0o755)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

it('starts a server, makes the service’s database, and keeps what was committed', async () => {
  const folder = await newFolder()
  const delivered = { message: message({ key: 'k' }), ordered: true }
  for (const verdict of ['new', 'duplicate']) {
    const store = await embedded({ folder })(storeContext({ service: 'stock-keeping', effectConnections: 12 }))
    expect(await store.transaction((tx) => store.inbox.accept(tx, 'g', [delivered]))).toEqual([verdict])
    expect(await store.transaction(async (tx) => (await tx.query('select current_database() as name')).rows)).toEqual([
      { name: 'stock-keeping' },
    ])
    await store[Symbol.asyncDispose]()
  }
})

it('gives the application a pool for its own tables, in one transaction with the store', async () => {
  const folder = await newFolder()
  await using server = await openEmbedded({ folder, database: 'inventory' })
  await server.pool.query('create table item (id text)')
  const store = await server.store(storeContext())
  const work = store.transaction(async (tx) => {
    await tx.query(`insert into item values ('a')`)
    await store.append(tx, [message()])
    throw new Error('roll back')
  })
  await expect(work).rejects.toThrow('roll back')
  expect((await server.pool.query('select from item')).rowCount).toBe(0)
  await store[Symbol.asyncDispose]()
  // The pool is the application's: it outlives the store.
  expect((await server.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(server.url).toMatch(/^postgres.*\/inventory$/)
})

it('leaves nothing running when the store cannot be opened', async () => {
  const folder = await newFolder()
  const open = embedded({ folder, poolSize: 2 })(storeContext({ effectConnections: 3 }))
  await expect(open).rejects.toMatchObject({ code: 'ACUSE_CONNECTION_BUDGET' })
  const store = await embedded({ folder })(storeContext())
  await store[Symbol.asyncDispose]()
})
