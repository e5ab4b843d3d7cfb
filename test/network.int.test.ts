import { type Bus, createBus, type Diagnostics, exponential, listen } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { eventually, type FaultProxy, startFaultProxy } from '@acuse/testing'
import { Pool, type PoolClient } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Item } from './processes/item.ts'
import { faultsOf, noFaults, scene, type Scene } from './processes/scene.ts'

const log = { leaseMs: 1_000, pollMaxMs: 200 }

/** A service whose transport is another database, reached through a proxy that can break the network. */
interface Apart {
  readonly own: Scene
  readonly transport: Scene
  readonly proxy: FaultProxy
  readonly bus: Bus<PoolClient>
  readonly published: () => number
}

async function apart(options: { readonly refuseAtStart?: boolean } = {}): Promise<Apart> {
  const own = await scene()
  const transport = await scene()
  const target = new URL(transport.url)
  const proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port) })
  if (options.refuseAtStart === true) proxy.set({ kind: 'refuse' })
  const through = new URL(transport.url)
  through.port = String(proxy.port)
  const bus = createBus({
    service: 'apart',
    store: pg(own.pool, { log }),
    transport: postgres({ connection: through.href, ...log }),
    pollMs: 50,
  })
  bus.group('effects', { from: 'earliest', concurrency: 4 }).on(Item, async ({ id, data }, { tx }) => {
    await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
  })
  await bus.start()
  let published = 0
  const stopListening = listen('relayed', ({ delivered }) => void (delivered && published++))
  onTestFinished(async () => {
    stopListening()
    proxy.set({ kind: 'pass' })
    await bus.stop({ deadlineMs: 5_000 })
    await proxy[Symbol.asyncDispose]()
  })
  return { own, transport, proxy, bus, published: () => published }
}

/** The business row and its message, in one transaction on the service's own database. */
async function write({ own, bus }: Apart, first: number, count: number): Promise<void> {
  for (let n = first; n < first + count; n++) {
    await bus.transaction(async (tx, publish) => {
      await tx.query('insert into wanted(key, n) values ($1, $2)', [`k${n % 5}`, n])
      publish(Item({ key: `k${n % 5}`, n }))
    })
  }
  expect((await own.wanted()).length).toBe(first + count)
}

async function check({ own }: Apart): Promise<void> {
  const wanted = await own.wanted()
  await own.untilEffects(wanted.length, 50_000)
  expect(faultsOf(wanted, await own.effects())).toEqual(noFaults)
}

describe('a transport', () => {
  it('that is down at the start: the service boots and publishes, the outbox grows, and is sent when the transport is there', async () => {
    const one = await apart({ refuseAtStart: true })
    await write(one, 0, 20)
    expect(await one.bus.state()).toMatchObject({ running: true, connected: false })
    expect(await one.own.effects()).toEqual([])
    one.proxy.set({ kind: 'pass' })
    await check(one)
    expect(await one.bus.state()).toMatchObject({ connected: true, relaying: true })
  })

  it('with a half-open connection: commits go on, every publish settles, and nothing is lost or doubled', async () => {
    const one = await apart()
    await write(one, 0, 20)
    await check(one)
    for (const towards of ['server', 'client', 'both'] as const) {
      one.proxy.set({ kind: 'black-hole', towards })
      await write(one, (await one.own.wanted()).length, 20)
      one.proxy.set({ kind: 'pass' })
      // What the hole has swallowed never comes; the connections are given up by whoever waits on them, or here.
      one.proxy.reset()
      await check(one)
    }
  })

  it('whose connections are reset in the middle of batches loses, doubles and reorders nothing', async () => {
    const one = await apart()
    const done = new AbortController()
    const resets = (async () => {
      let count = 0
      while (!done.signal.aborted) {
        const before = one.published()
        await eventually(
          () => {
            if (!done.signal.aborted && one.published() < before + 20) throw new Error('waiting for the next messages')
          },
          { timeoutMs: 40_000 },
        )
        one.proxy.reset()
        count++
      }
      return count
    })()
    await write(one, 0, 400)
    await check(one)
    done.abort()
    expect(await resets).toBeGreaterThan(2)
  })

  it('that is slow, and sends byte by byte, is no danger', async () => {
    const one = await apart()
    one.proxy.set({ kind: 'delay', delayMs: 5 })
    await write(one, 0, 40)
    one.proxy.set({ kind: 'slices' })
    await write(one, 40, 10)
    one.proxy.set({ kind: 'pass' })
    await check(one)
  })

  it('in a redelivery storm: everything delivered again and again has its effect once', async () => {
    const one = await apart()
    const duplicates: Diagnostics['duplicate'][] = []
    const stopListening = listen('duplicate', (what) => void duplicates.push(what))
    onTestFinished(stopListening)
    await write(one, 0, 100)
    await check(one)
    for (let round = 0; round < 3; round++) {
      // As if the transport had forgotten every ack: whoever reads begins anew, and its lease is not its own any more.
      await one.transport.pool.query(
        "update acuse.cursor set prev = '1:1:', target = null, after = 0, done = '{}', ver = ver + 1, epoch = epoch + 1, owner = null where grp = 'effects'",
      )
      await eventually(
        () => {
          if (duplicates.length < (round + 1) * 100)
            throw new Error(`${duplicates.length} duplicates in round ${round}`)
        },
        { timeoutMs: 40_000 },
      )
    }
    await write(one, 100, 20)
    await check(one)
  })

  it('with a group that is deleted under it goes on, and what was applied is not applied again', async () => {
    const one = await apart()
    await write(one, 0, 50)
    await check(one)
    await one.transport.pool.query("delete from acuse.log_group where name = 'effects'")
    await write(one, 50, 50)
    await check(one)
  })
})

describe('a database', () => {
  it('that loses sight of a handler ends its transaction, and what it held is applied once by the next', async () => {
    const own = await scene()
    const target = new URL(own.url)
    await using proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port) })
    const through = Object.assign(new URL(own.url), { port: String(proxy.port) }).href
    const pool = new Pool({ connectionString: through, max: 12, query_timeout: 300, connectionTimeoutMillis: 1_000 })
    pool.on('error', () => undefined)
    const bus = createBus({ service: 'orphaned', store: pg(pool, { connection: own.url, log }), pollMs: 50 })
    let holes = 0
    bus
      .group('effects', {
        from: 'earliest',
        timeoutMs: 500,
        retry: exponential({ attempts: 50, baseMs: 50, maxMs: 500 }),
      })
      .on(Item, async ({ id, data }, { tx }) => {
        await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
        if (data.n !== 7 || holes > 0) return
        holes++
        // Nothing arrives on this connection any more, its end neither: PostgreSQL sees a client that takes its time.
        proxy.set({ kind: 'black-hole', towards: 'server' })
        await tx.query('select 1').finally(() => proxy.set({ kind: 'pass' }))
      })
    await bus.start()
    onTestFinished(async () => {
      await bus.stop({ deadlineMs: 5_000 })
      await pool.end()
    })
    for (let n = 0; n < 20; n++) {
      await own.pool.query('insert into wanted(key, n) values ($1, $2)', [`k${n % 5}`, n])
      await bus.publishNow(Item({ key: `k${n % 5}`, n }))
    }
    await own.untilEffects(20, 30_000)
    expect(holes).toBe(1)
    expect(faultsOf(await own.wanted(), await own.effects())).toEqual(noFaults)
  })
})
