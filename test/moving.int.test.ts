import { type Bus, createBus, listen, type TransportFactory } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { transportAt } from '@acuse/transports'
import type { PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { brokers } from './processes/brokers.ts'
import { Item, items } from './processes/item.ts'
import { faultsOf, noFaults, scene, type Scene } from './processes/scene.ts'

const keys = 7
const withinMs = 50_000

interface Place {
  readonly name: string
  readonly transport: TransportFactory
}

/** A service that publishes, and one that applies; each with a database of its own. */
interface Services {
  readonly shop: Scene
  readonly billing: Scene
}

/** Every transport: where the services begin, and where they go from there, which ends with the first. */
async function openCircle(): Promise<{ readonly first: Place; readonly others: readonly Place[] }> {
  const between = await scene()
  const first = { name: 'postgres', transport: postgres({ connection: between.url, leaseMs: 2_000 }) }
  const others = await Promise.all(
    brokers.map(async (broker) => {
      const server = await broker.start()
      onTestFinished(() => server[Symbol.asyncDispose]())
      return { name: broker.name, transport: transportAt(broker.urlOf(server)) }
    }),
  )
  return { first, others: [...others, first] }
}

function untilStopped(bus: Bus<PoolClient>): () => Promise<void> {
  const stop = (): Promise<void> => bus.stop({ deadlineMs: 10_000 })
  onTestFinished(stop)
  return stop
}

/** The publishing service; without a place it only writes its log. */
async function startShop({ shop }: Services, place: Place | undefined): Promise<Shop> {
  const relay = place === undefined ? { relay: 'elsewhere' as const } : { transport: place.transport }
  const bus = createBus({ service: 'shop', store: pg(shop.pool, { log: { streams: [items] } }), ...relay })
  await bus.start()
  return { bus, stop: untilStopped(bus) }
}

interface Shop {
  readonly bus: Bus<PoolClient>
  readonly stop: () => Promise<void>
}

async function startBilling({ billing }: Services, { transport }: Place): Promise<() => Promise<void>> {
  const bus = createBus({ service: 'billing', store: pg(billing.pool), transport, pollMs: 50 })
  bus.group('billing').on(Item, async ({ id, data }, { tx }) => {
    await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
  })
  await bus.start()
  const stop = untilStopped(bus)
  await eventually(async () => expect(await bus.state()).toMatchObject({ connected: true }), { timeoutMs: withinMs })
  return stop
}

async function write({ shop }: Services, { bus }: Shop, count: number): Promise<void> {
  const first = (await shop.wanted()).length
  for (let n = first; n < first + count; n++) {
    await bus.transaction(async (tx, publish) => {
      await tx.query('insert into wanted(key, n) values ($1, $2)', [`k${n % keys}`, n])
      publish(Item({ key: `k${n % keys}`, n }))
    })
  }
}

/** Waits until all is applied that was written so far. */
async function settle({ shop, billing }: Services): Promise<void> {
  const wanted = await shop.wanted()
  await billing.untilEffects(wanted.length, withinMs)
  expect(faultsOf(wanted, await billing.effects())).toEqual(noFaults)
}

it('a running system goes from transport to transport: each message is applied once and in order, also one that both were given', async () => {
  const services = { shop: await scene(), billing: await scene() }
  const { first, others } = await openCircle()
  const [relayed, duplicates] = [new Set<string>(), new Set<string>()]
  onTestFinished(listen('relayed', ({ id, delivered }) => void (delivered && relayed.add(id))))
  onTestFinished(listen('duplicate', ({ id }) => void duplicates.add(id)))
  let shop = await startShop(services, first)
  let stopBilling = await startBilling(services, first)
  await write(services, shop, 40)
  for (const next of others) {
    // 1. Nothing more is relayed; publishing goes on.
    await shop.stop()
    shop = await startShop(services, undefined)
    const sent = relayed.size
    await write(services, shop, 30)
    // 2. The old one is read to its end.
    await services.billing.untilEffects(sent, withinMs)
    // 3. Everything starts with the new one, the groups first.
    await stopBilling()
    stopBilling = await startBilling(services, next)
    await shop.stop()
    // As if the old relay had been killed before it could note what it had sent: the new one sends everything again.
    duplicates.clear()
    await services.shop.pool.query(
      "update acuse.cursor set prev = '1:1:', target = null, after = 0, done = '{}', ver = ver + 1, epoch = epoch + 1, owner = null",
    )
    shop = await startShop(services, next)
    await write(services, shop, 20)
    await settle(services)
    await eventually(() => expect(duplicates.size, next.name).toBe(sent), { timeoutMs: withinMs })
  }
}, 240_000)
