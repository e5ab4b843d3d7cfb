import { type Bus, type BusOptions, createBus, exponential, type GroupOptions, stream } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { randomUUID } from 'node:crypto'
import { Pool, type PoolClient } from 'pg'
import { inject } from 'vitest'
import { z } from 'zod'

/** One row of the table: a bad input or fault, and what shows that it does no harm. */
export interface Case {
  readonly n: number
  readonly what: string
  readonly run: () => Promise<void>
}

export const orders = stream('orders', { partitions: 2 })
export const Order = orders.message('order', {
  version: 2,
  schema: z.object({ id: z.string(), note: z.unknown().optional() }),
  key: ({ id }) => id,
  upcasters: { 1: (data) => data },
})

export const quick: GroupOptions = {
  from: 'earliest',
  leaseMs: 1_000,
  retry: exponential({ attempts: 3, baseMs: 10, maxMs: 20 }),
}

export interface Shop {
  readonly bus: Bus<PoolClient>
  readonly pool: Pool
  readonly url: string
  readonly effects: () => Promise<string[]>
  readonly untilEffects: (expected: readonly string[]) => Promise<void>
  readonly untilDead: (count: number) => Promise<Awaited<ReturnType<Bus<PoolClient>['deadLetters']['list']>>>
}

interface ShopOptions {
  readonly poolSize?: number
  /** The address by which the service reaches its database, where that is not the server's own. */
  readonly through?: (database: string) => string
  readonly storeOptions?: Parameters<typeof pg>[1]
}

let admin: Pool | undefined
const open: (() => Promise<void>)[] = []

export async function openAdmin(): Promise<void> {
  admin = new Pool({ connectionString: inject('adminUrl'), max: 2 })
  admin.on('error', () => undefined)
}

export async function adminQuery(text: string, values: readonly unknown[] = []): Promise<void> {
  await admin?.query(text, [...values])
}

/** A database of its own with a bus on it, started; closed and dropped at the end of the file. */
export async function shop(
  declare: (bus: Bus<PoolClient>) => void,
  options: Partial<BusOptions<PoolClient>> & ShopOptions = {},
): Promise<Shop> {
  const { poolSize = 12, through, storeOptions = {}, ...busOptions } = options
  const name = `bad_${randomUUID().replaceAll('-', '')}`
  await adminQuery(`create database ${name}`)
  const url = new URL(inject('adminUrl'))
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: through?.(name) ?? url.href, max: poolSize })
  pool.on('error', () => undefined)
  await pool.query('create table effects(seq bigint generated always as identity, what text not null)')
  const bus = createBus({ service: 'shop', store: pg(pool, storeOptions), pollMs: 50, ...busOptions })
  open.push(async () => {
    await bus.stop({ deadlineMs: 2_000 }).catch(() => undefined)
    await pool.end()
    await adminQuery(`drop database if exists ${name} with (force)`)
  })
  declare(bus)
  await bus.start()
  const effects = async (): Promise<string[]> =>
    (await pool.query<{ what: string }>('select what from effects order by seq')).rows.map(({ what }) => what)
  return {
    bus,
    pool,
    url: url.href,
    effects,
    untilEffects: (expected) =>
      eventually(async () => {
        const found = await effects()
        if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`effects: ${JSON.stringify(found)}`)
      }),
    untilDead: (count) =>
      eventually(async () => {
        const letters = await bus.deadLetters.list()
        if (letters.length !== count) throw new Error(`${letters.length} dead letters`)
        return letters
      }),
  }
}

export async function effect(tx: PoolClient, what: string): Promise<void> {
  await tx.query('insert into effects(what) values ($1)', [what])
}

export async function closeShops(): Promise<void> {
  for (const close of open) await close()
  await admin?.end()
}
