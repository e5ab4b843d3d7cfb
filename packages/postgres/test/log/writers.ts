import { setTimeout as wait } from 'node:timers/promises'
import { Client } from 'pg'
import type { RunQuery } from '../../src/db.ts'
import type { PostgresLog } from '../../src/log/transport.ts'
import { message } from './messages.ts'
import { createRandom, type Random } from './random.ts'

/** What a key's writer says of one message: its place among the committed ones of its key. */
export interface Written {
  readonly key: string
  readonly sequence: number
  readonly writer: string
}

/** The application's own connection, in its own transactions. */
export class Writer implements AsyncDisposable {
  readonly name: string
  readonly #client: Client
  readonly #log: PostgresLog

  static async connect(url: string, name: string, log: PostgresLog): Promise<Writer> {
    const client = new Client(url)
    await client.connect()
    return new Writer(name, client, log)
  }

  private constructor(name: string, client: Client, log: PostgresLog) {
    this.name = name
    this.#client = client
    this.#log = log
  }

  readonly run: RunQuery = async (text, values) => {
    const { rows } = await this.#client.query(text, values === undefined ? [] : [...values])
    return rows
  }

  async statement(text: string): Promise<void> {
    await this.#client.query(text)
  }

  /** Takes the key's row, which excludes other writers of the key until the transaction ends, and publishes what comes next. */
  async publish(key: string): Promise<Written> {
    const [row] = await this.run<{ sequence: number }>(
      'update counters set sequence = sequence + 1 where key = $1 returning sequence',
      [key],
    )
    const written: Written = { key, sequence: row?.sequence ?? -1, writer: this.name }
    await this.#log.append(this.run, [message(written, { key })])
    return written
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

export async function createCounters(run: RunQuery, keys: readonly string[]): Promise<void> {
  await run('create table counters (key text primary key, sequence integer not null default 0)')
  await run('insert into counters (key) select unnest($1::text[])', [keys])
}

/** Writes for a while as applications do: several messages a transaction, savepoints, rollbacks, pauses with locks held. Gives what was committed. */
export async function writeForAWhile(
  writer: Writer,
  keys: readonly string[],
  options: { readonly forMs: number; readonly random: Random },
): Promise<Written[]> {
  const { forMs, random } = options
  const until = performance.now() + forMs
  const committed: Written[] = []
  while (performance.now() < until) {
    await writer.statement('begin')
    // An xid drawn long before the first row: its place among xids says nothing about its place in time.
    if (random.chance(0.3)) await writer.statement('select pg_current_xact_id()')
    if (random.chance(0.3)) await wait(random.below(8))
    const written: Written[] = []
    // In one order, so that writers do not deadlock.
    const mine = keys.filter(() => random.chance(2 / keys.length))
    for (const key of mine) written.push(...(await publishOnce(writer, key, random)))
    if (random.chance(0.3)) await wait(random.below(8))
    const keeps = !random.chance(0.15)
    await writer.statement(keeps ? 'commit' : 'rollback')
    if (keeps) committed.push(...written)
  }
  return committed
}

async function publishOnce(writer: Writer, key: string, random: Random): Promise<Written[]> {
  if (!random.chance(0.3)) return [await writer.publish(key)]
  await writer.statement('savepoint attempt')
  const written = await writer.publish(key)
  if (random.chance(0.5)) {
    await writer.statement('release attempt')
    return [written]
  }
  await writer.statement('rollback to attempt')
  return []
}

export function differentRandoms(random: Random, count: number): Random[] {
  return Array.from({ length: count }, () => createRandom(random.below(2 ** 31)))
}

/** What was read, compared with what was committed. */
export function differences(
  committed: readonly Written[],
  read: readonly Written[],
): { lost: string[]; doubled: string[]; unexpected: string[] } {
  const name = ({ key, sequence }: Written): string => `${key}/${sequence}`
  const expected = new Set(committed.map(name))
  const seen = new Map<string, number>()
  for (const one of read) seen.set(name(one), (seen.get(name(one)) ?? 0) + 1)
  return {
    lost: [...expected].filter((one) => !seen.has(one)),
    doubled: [...seen].filter(([, count]) => count > 1).map(([one]) => one),
    unexpected: [...seen.keys()].filter((one) => !expected.has(one)),
  }
}

/** What was read after a later message of its key. */
export function inversions(read: readonly Written[]): string[] {
  const last = new Map<string, number>()
  const found: string[] = []
  for (const { key, sequence } of read) {
    const before = last.get(key) ?? 0
    if (sequence < before) found.push(`${key}: ${sequence} after ${before}`)
    last.set(key, sequence)
  }
  return found
}
