import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createBus, stream } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { Pool, PoolClient } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, type TestDatabase } from './database.ts'

const Item = stream('items').message('item', { schema: z.object({ n: z.number() }), key: () => 'one' })

async function testDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  return database
}

async function startedBus(pool: Pool) {
  const bus = createBus({ service: 'test', store: pg(pool) })
  await bus.start()
  onTestFinished(() => bus.stop())
  return bus
}

async function statementsOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query("select 1 from pg_prepared_statements where statement like '%log_append%'")
  return rows.length
}

/** Like a pooler: the backend's number that it tells a client is one of its own. */
async function pooler(url: string): Promise<string> {
  const target = new URL(url)
  const open = new Set<Socket>()
  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    let told = false
    for (const socket of [client, server]) {
      open.add(socket)
      socket.on('error', () => undefined)
    }
    client.pipe(server)
    server.on('data', (piece) => {
      // BackendKeyData: K, a length of 12, the process id, the secret.
      const at = told ? -1 : piece.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
      if (at >= 0) {
        piece.writeInt32BE(1, at + 5)
        told = true
      }
      client.write(piece)
    })
    server.on('close', () => client.destroy())
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    listener.close()
  })
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return Object.assign(new URL(url), { port: String(address.port) }).href
}

describe('the statements that run most', () => {
  it('are kept prepared on a direct connection', async () => {
    const database = await testDatabase()
    const pool = database.pool({ max: 1 })
    const bus = await startedBus(pool)
    const client = await pool.connect()
    for (let n = 0; n < 3; n++) {
      await client.query('begin')
      await bus.publish(client, Item({ n }))
      await client.query('commit')
    }
    expect(await statementsOf(client)).toBe(1)
    client.release()
  })

  it('are not prepared behind a pooler, which gives each transaction another backend', async () => {
    const database = await testDatabase()
    const pool = database.pool({ max: 1, connectionString: await pooler(database.url) })
    const bus = await startedBus(pool)
    const client = await pool.connect()
    await client.query('begin')
    await bus.publish(client, Item({ n: 1 }))
    await client.query('commit')
    expect(await statementsOf(client)).toBe(0)
    client.release()
  })

  it('fail once and are sent whole from then on where the application has discarded them', async () => {
    const database = await testDatabase()
    const pool = database.pool({ max: 1 })
    const bus = await startedBus(pool)
    const client = await pool.connect()
    const publish = async (n: number): Promise<void> => {
      await client.query('begin')
      await bus.publish(client, Item({ n }))
      await client.query('commit')
    }
    await publish(1)
    await client.query('discard all')
    await expect(publish(2)).rejects.toThrow('does not exist')
    await client.query('rollback')
    await publish(3)
    const { rows } = await client.query('select body::text from acuse.log')
    expect(rows).toHaveLength(2)
    client.release()
  })
})
