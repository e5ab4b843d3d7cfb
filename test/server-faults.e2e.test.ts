import { createBus, systemClock } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { startEmbedded } from '@acuse/postgres/embedded'
import { eventually } from '@acuse/testing'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { check, consumer, deadLetters, prepare, publishItems, writeUntilKnown } from './processes/fault-scene.ts'
import { Item } from './processes/item.ts'
import { scene } from './processes/scene.ts'

describe('a server that is read-only', () => {
  it('after a failover: nothing is applied or acked, no attempt is spent, and all goes on when it can be written again', async () => {
    const at = await scene()
    await prepare(at)
    const database = new URL(at.url).pathname.slice(1)
    const applying = consumer(at)
    await applying.ready
    await publishItems(at, 10, () => ({}))
    await at.untilEffects(10)
    const admin = await at.pool.connect()
    onTestFinished(() => admin.release())
    await admin.query('set default_transaction_read_only = off')
    await admin.query(`alter database ${database} set default_transaction_read_only = on`)
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'scene'",
    )
    // Written by the one session that still can.
    for (let n = 10; n < 20; n++) {
      await admin.query('insert into wanted(key, n) values ($1, $2)', [`k${n % 2}`, n])
      await admin.query(
        `select acuse.log_append(array[name], array[id]::int[], array[id * 1024 + $1::int], array[$2], array[$3], array['item'], $4, $5, null)
         from acuse.stream where name = 'items'`,
        [n % 2, `k${n % 2}`, `readonly-${n}`, JSON.stringify(headersOf(n)), bodyOf(n)],
      )
    }
    await eventually(async () => {
      const { rowCount } = await admin.query(
        "select 1 from pg_stat_activity where datname = current_database() and application_name like 'acuse%'",
      )
      if (rowCount === 0) throw new Error('the consumer has not come back yet')
    })
    expect(await at.effects()).toHaveLength(10)
    await admin.query(`alter database ${database} set default_transaction_read_only = off`)
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'scene'",
    )
    await check(at)
    expect(await deadLetters(at)).toEqual([])
  })
})

function headersOf(n: number): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': `readonly-${n}`,
    'ce-source': 'test',
    'ce-type': 'item',
    'ce-typeversion': '1',
  }
}

function bodyOf(n: number): string {
  return Buffer.from(JSON.stringify({ key: `k${n % 2}`, n })).toString('base64')
}

describe('a full disk', () => {
  it('stops what writes and loses nothing: all goes on when there is room', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'acuse-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=220m,mode=0755', 'tmpfs', folder])
    const server = await startEmbedded({ folder, settings: { max_wal_size: '64MB', min_wal_size: '32MB' } })
    onTestFinished(async () => {
      await server.stop()
      // What collects the server's log may outlive it by a moment, with its folder open.
      await eventually(() => execFileSync('umount', [folder], { stdio: 'pipe' }))
      await rm(folder, { recursive: true, force: true })
    })
    const at = await scene(server.url())
    await prepare(at)
    const applying = consumer(at)
    await applying.ready
    await publishItems(at, 20, () => ({}))
    await at.untilEffects(20)
    const filler = join(folder, 'filler')
    const bus = createBus({ service: 'writer', store: pg(at.pool) })
    await bus.start()
    onTestFinished(() => bus.stop())
    fill(filler)
    let refused = 0
    for (let n = 100; n < 130; n++) {
      const big = at.pool.query('insert into wanted(key, n) select $1, $2 from generate_series(1, 20000)', [
        'filler',
        -1,
      ])
      await big.catch(() => refused++)
    }
    expect(refused).toBeGreaterThan(0)
    await rm(filler)
    await eventually(() => at.pool.query("delete from wanted where key = 'filler'").then(() => undefined), {
      timeoutMs: 60_000,
    })
    for (let n = 200; n < 220; n++) {
      await eventually(() =>
        writeUntilKnown(at, (client) => bus.publish(client, Item({ key: 'k0', n })).then(() => undefined), n, 'k0'),
      )
    }
    await check(at)
  })
})

/** Takes all the room there is. */
function fill(file: string): void {
  const handle = openSync(file, 'w')
  const block = Buffer.alloc(64 * 1024, 1)
  try {
    for (;;) writeSync(handle, block)
  } catch {
    // ENOSPC: the disk is full, as intended.
  } finally {
    closeSync(handle)
  }
}

describe('a clock that jumps', () => {
  it.each([3_600_000, -3_600_000])(
    'by %i ms in the application: what is due is due by the clock of the database',
    async (jumpMs) => {
      const at = await scene()
      let offsetMs = 0
      const clock = {
        now: () => Date.now() + offsetMs,
        after: (delayMs: number, callback: () => void) => systemClock.after(delayMs, callback),
      }
      const bus = createBus({ service: 'jumping', store: pg(at.pool), clock, pollMs: 20 })
      bus.group('effects', { from: 'earliest' }).on(Item, async ({ id, data }, { tx }) => {
        await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
      })
      await bus.start()
      onTestFinished(() => bus.stop())
      await at.pool.query('create table moments(due timestamptz)')
      await bus.transaction(async (tx, publish) => {
        publish(Item({ key: 'k0', n: 1 }), { deliverAfterMs: 1_500 })
        await tx.query("insert into moments values (clock_timestamp() + interval '1500 ms')")
        await tx.query('insert into wanted values ($1, $2)', ['k0', 1])
      })
      offsetMs = jumpMs
      await at.untilEffects(1, 20_000)
      const { rows } = await at.pool.query<{ early: boolean; late: boolean }>(
        "select l.at < m.due as early, l.at > m.due + interval '5 s' as late from acuse.log l, moments m",
      )
      expect(rows).toEqual([{ early: false, late: false }])
      await check(at)
    },
  )
})
