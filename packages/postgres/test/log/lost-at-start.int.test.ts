import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { AcuseError, type Bus, createBus, stream } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import type { PoolClient } from 'pg'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, type TestDatabase } from '../database.ts'

const Item = stream('items').message('item', { schema: z.object({ n: z.number() }), key: ({ n }) => `key-${n}` })
/** Of as many keys some are in each partition. */
const rounds = Array.from({ length: 24 }, (_, n) => n)

let own: TestDatabase
let apart: TestDatabase

beforeEach(async () => {
  own = await createTestDatabase()
  apart = await createTestDatabase()
  onTestFinished(async () => {
    await own[Symbol.asyncDispose]()
    await apart[Symbol.asyncDispose]()
  })
})

/** The way to a database on which the connection breaks that sends the nth piece, and all is whole afterwards. */
async function breakingAt(
  url: string,
  nth: number,
): Promise<AsyncDisposable & { readonly url: string; readonly broke: () => boolean }> {
  const target = new URL(url)
  const open = new Set<Socket>()
  let left = nth
  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    for (const socket of [client, server]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        server.destroy()
      })
    }
    server.pipe(client)
    client.on('data', (piece) => {
      left--
      if (left === 0) client.resetAndDestroy()
      else server.write(piece)
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: Object.assign(new URL(url), { port: String(address.port) }).href,
    broke: () => left <= 0,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}

function busWith(store: string, transport: string, applied: Set<number> = new Set()): Bus<PoolClient> {
  const bus = createBus({
    service: 'starting',
    store: pg(own.pool({ max: 10 }), { connection: store }),
    transport: postgres({ connection: transport }),
  })
  bus.group().on(Item, ({ data }) => void applied.add(data.n))
  bus.cron('hourly', '0 * * * *', () => Item({ n: -1 }))
  return bus
}

describe('a connection lost at any moment of the start', () => {
  it('to the transport: the bus starts all the same, connects as soon as it can, and reads every partition', async () => {
    for (let nth = 1, broke = true; broke; nth++) {
      await using breaking = await breakingAt(apart.url, nth)
      const applied = new Set<number>()
      const bus = busWith(own.url, breaking.url, applied)
      await bus.start()
      broke = breaking.broke()
      await eventually(async () => expect(await bus.state()).toMatchObject({ connected: true }))
      for (const n of rounds) await bus.publishNow(Item({ n }))
      await eventually(() => expect(applied.size, `cut off at piece ${nth}`).toBe(rounds.length))
      await bus.stop()
    }
  })

  it('to the store: the start says that it is away, and that starting again can succeed', async () => {
    let refused = 0
    for (let nth = 1, broke = true; broke; nth++) {
      await using breaking = await breakingAt(own.url, nth)
      const bus = busWith(breaking.url, apart.url)
      const outcome = await bus.start().then(
        () => 'started' as const,
        (error: unknown) => error,
      )
      broke = breaking.broke()
      await bus.stop()
      if (outcome === 'started') continue
      refused++
      expect(outcome).toBeInstanceOf(AcuseError)
      expect(outcome).toMatchObject({ retryable: true })
    }
    expect(refused).toBeGreaterThan(10)
  })
})
