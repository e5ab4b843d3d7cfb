import { eventually } from '@acuse/testing'
import { randomUUID } from 'node:crypto'
import { Pool, type PoolConfig } from 'pg'
import { inject, onTestFinished } from 'vitest'

/** A database of the test's own, with the tables its workers write; dropped when the test ends. */
export interface Scene {
  readonly url: string
  readonly pool: Pool
  readonly effects: () => Promise<{ readonly key: string; readonly n: number }[]>
  readonly wanted: () => Promise<{ readonly key: string; readonly n: number }[]>
  /** Waits until this many effects are there. */
  readonly untilEffects: (count: number, timeoutMs?: number) => Promise<void>
}

// No unique index on effects: it would hide the duplicates that the tests look for.
const tables = `
  create table wanted(key text not null, n int not null);
  create table effects(seq bigint generated always as identity, message text not null, key text not null, n int not null);
`

export async function scene(adminUrl: string = inject('adminUrl'), config: PoolConfig = {}): Promise<Scene> {
  const name = `scene_${randomUUID().replaceAll('-', '')}`
  const admin = new Pool({ connectionString: adminUrl, max: 1 })
  admin.on('error', () => undefined)
  await admin.query(`create database ${name}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: 12, application_name: 'scene', ...config })
  // A restart of the server ends idle connections; the pool opens others.
  pool.on('error', () => undefined)
  await pool.query(tables)
  onTestFinished(async () => {
    await pool.end()
    await admin.query(`drop database if exists ${name} with (force)`)
    await admin.end()
  })
  const read = async (table: string, order: string): Promise<{ key: string; n: number }[]> =>
    (await pool.query<{ key: string; n: number }>(`select key, n from ${table} order by ${order}`)).rows
  const effects = (): Promise<{ key: string; n: number }[]> => read('effects', 'seq')
  return {
    url: url.href,
    pool,
    effects,
    wanted: () => read('wanted', 'n'),
    untilEffects: (count, timeoutMs = 60_000) =>
      eventually(
        async () => {
          const found = (await effects()).length
          if (found < count) throw new Error(`${found} of ${count} effects are there`)
        },
        { timeoutMs },
      ),
  }
}

/** What the guarantees say of wanted rows and effects: nothing lost, doubled, unexpected, or out of order within its key. */
export function faultsOf(
  wanted: readonly { readonly key: string; readonly n: number }[],
  effects: readonly { readonly key: string; readonly n: number }[],
): { lost: number[]; unexpected: number[]; duplicates: number[]; inversions: string[] } {
  const expected = new Set(wanted.map(({ n }) => n))
  const seen = new Set<number>()
  const duplicates: number[] = []
  const inversions: string[] = []
  const last = new Map<string, number>()
  for (const { key, n } of effects) {
    if (seen.has(n)) duplicates.push(n)
    seen.add(n)
    const before = last.get(key) ?? -1
    if (n < before) inversions.push(`${key}: ${n} after ${before}`)
    last.set(key, Math.max(n, before))
  }
  return {
    lost: [...expected].filter((n) => !seen.has(n)),
    unexpected: [...seen].filter((n) => !expected.has(n)),
    duplicates,
    inversions,
  }
}

export const noFaults: ReturnType<typeof faultsOf> = { lost: [], unexpected: [], duplicates: [], inversions: [] }
