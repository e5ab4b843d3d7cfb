import { createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { startEmbedded } from '@acuse/postgres/embedded'
import { eventually } from '@acuse/testing'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  check,
  consumer,
  deadLetters,
  prepare,
  publisher,
  publishItems,
  writeUntilKnown,
} from './processes/fault-scene.ts'
import { Item } from './processes/item.ts'
import { faultsOf, scene } from './processes/scene.ts'

describe('a publishing process killed at any point', () => {
  it.each(['publish.beforeAppend:20', 'publish.afterAppend:20'])(
    'at %s: what committed is delivered, what did not is not',
    async (crashAt) => {
      const at = await scene()
      await prepare(at)
      const dying = publisher(at, { CRASH_AT: crashAt, ROLLBACK_RATE: '0.3' })
      expect((await dying.ended).signal).toBe('SIGKILL')
      const next = publisher(at, { FIRST: '1000', COUNT: '50', ROLLBACK_RATE: '0.3' })
      expect((await next.ended).code, next.errors()).toBe(0)
      const applying = consumer(at)
      await applying.ready
      await check(at)
    },
  )

  it('at random moments, during COMMIT too', async () => {
    const at = await scene()
    await prepare(at)
    const applying = consumer(at)
    await applying.ready
    for (let round = 0; round < 5; round++) {
      const dying = publisher(at, { FIRST: String(round * 10_000), COUNT: '10000', ROLLBACK_RATE: '0.3' })
      await dying.ready
      const before = (await at.wanted()).length
      await eventually(
        async () => {
          if ((await at.wanted()).length < before + 30 + round * 7) throw new Error('not enough written yet')
        },
        { timeoutMs: 30_000 },
      )
      dying.process.kill('SIGKILL')
      await dying.ended
    }
    await check(at)
  })
})

describe('a consuming process killed', () => {
  it.each([
    'consumer.beforeEffect:15',
    'consumer.beforeCommit:15',
    'consumer.afterCommit:15',
    'consumer.beforeAck:15',
    'consumer.afterAck:15',
    'parked.afterClaim:1',
    'parked.beforeEffect:1',
    'parked.afterCommit:1',
  ])('at %s applies nothing twice, loses nothing and keeps the order', async (crashAt) => {
    const at = await scene()
    await prepare(at)
    expect((await publisher(at, { COUNT: '60' }).ended).code).toBe(0)
    const dying = consumer(at, { CRASH_AT: crashAt, FAIL_RATE: crashAt.startsWith('parked') ? '0.5' : '0' })
    expect((await dying.ended).signal, dying.errors()).toBe('SIGKILL')
    const next = consumer(at)
    await next.ready
    await check(at)
  })
})

describe('a restart of PostgreSQL', () => {
  it.each(['fast', 'kill'] as const)('(%s) under load loses, doubles and reorders nothing', async (how) => {
    const folder = await mkdtemp(join(tmpdir(), 'acuse-restart-'))
    await chmod(folder, 0o755)
    const server = await startEmbedded({ folder })
    onTestFinished(async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })
    const at = await scene(server.url())
    await prepare(at)
    const applying = consumer(at, { FAIL_RATE: '0.05' })
    await applying.ready
    const bus = createBus({ service: 'writer', store: pg(at.pool) })
    await bus.start()
    onTestFinished(() => bus.stop())
    let restarted: Promise<void> | undefined
    for (let n = 0; n < 300; n++) {
      if (n === 100) restarted = how === 'fast' ? server.restart('fast') : server.kill().then(() => server.start())
      await writeUntilKnown(at, (client) => bus.publish(client, Item({ key: `k${n % 5}`, n })).then(() => undefined), n)
    }
    await restarted
    await check(at)
  })
})

describe('SIGTERM under load', () => {
  it('drains: exit 0, nothing is applied twice, and what had not begun goes to the next', async () => {
    const at = await scene()
    await prepare(at)
    expect((await publisher(at, { COUNT: '150' }).ended).code).toBe(0)
    for (let round = 0; round < 4; round++) {
      const drained = consumer(at, { HANDLER_MS: '40' })
      await drained.ready
      const before = (await at.effects()).length
      await at.untilEffects(before + 3 + round)
      drained.process.kill('SIGTERM')
      expect(await drained.ended, drained.errors()).toEqual({ code: 0, signal: null })
      const { rows } = await at.pool.query<{ suspects: string }>(
        "select count(*) as suspects from acuse.parked where reason = 'suspect'",
      )
      expect(rows[0]?.suspects).toBe('0')
    }
    const last = consumer(at)
    await last.ready
    await check(at)
  })

  it('twice ends at once, and still nothing is lost', async () => {
    const at = await scene()
    await prepare(at)
    expect((await publisher(at, { COUNT: '30' }).ended).code).toBe(0)
    const stubborn = consumer(at, { HANDLER_MS: '3000' })
    await stubborn.ready
    await eventually(async () => {
      const { rowCount } = await at.pool.query(
        "select 1 from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
      )
      if (rowCount === 0) throw new Error('no handler runs yet')
    })
    stubborn.process.kill('SIGTERM')
    stubborn.process.kill('SIGINT')
    expect((await stubborn.ended).code).toBe(1)
    const last = consumer(at)
    await last.ready
    await check(at)
  })
})

describe('a process that stands still beyond its lease', () => {
  it('is fenced: what it held is applied once and in order by the next owner', async () => {
    const at = await scene()
    await prepare(at)
    const first = consumer(at, { HANDLER_MS: '20' })
    await first.ready
    expect((await publisher(at, { COUNT: '80' }).ended).code).toBe(0)
    await at.untilEffects(10)
    first.process.kill('SIGSTOP')
    const second = consumer(at, { HANDLER_MS: '1' })
    await second.ready
    // What the first has in an open transaction nobody else can apply before it goes on; the rest goes to the second.
    await eventually(
      async () => {
        const { rows } = await at.pool.query<{ owners: number; epochs: number }>(
          'select count(distinct owner)::int as owners, min(epoch)::int as epochs from acuse.cursor where epoch > 0',
        )
        if (rows[0]?.owners !== 1 || rows[0].epochs < 2) throw new Error('the second has not taken everything over yet')
      },
      { timeoutMs: 30_000 },
    )
    first.process.kill('SIGCONT')
    await check(at)
  })
})

describe('a poison message in the middle of a key', () => {
  it('waits, is dead-lettered, and the key goes on', async () => {
    const at = await scene()
    await prepare(at)
    await publishItems(at, 20, (n) => (n === 6 ? { does: 'throw' } : {}))
    const applying = consumer(at)
    await applying.ready
    await at.untilEffects(19)
    expect(faultsOf([], await at.effects()).inversions).toEqual([])
    expect(await deadLetters(at)).toEqual([{ reason: 'attempts-exhausted', attempts: 4 }])
  })
})

describe('a process that dies of a message', () => {
  it.each([
    ['a handler that ends its process', 'kill', {}],
    ['an unhandled rejection', 'reject', {}],
    ['a process that runs out of memory', 'hog', { NODE_OPTIONS: '--max-old-space-size=48' }],
  ] as const)(
    '%s: each crash is an attempt, the message is dead-lettered at the maximum, the others are applied once',
    async (_what, does, env) => {
      const at = await scene()
      await prepare(at)
      await publishItems(at, 12, (n) => (n === 4 ? { does } : {}))
      let ends = 0
      for (; ends < 8 && (await deadLetters(at)).length === 0; ends++) {
        const one = consumer(at, env)
        const buried = eventually(
          async () => {
            if ((await deadLetters(at)).length === 0) throw new Error('not dead yet')
          },
          { timeoutMs: 60_000 },
        )
        await Promise.race([one.ended, buried])
        if (one.process.exitCode === null && one.process.signalCode === null) break
      }
      await at.untilEffects(11)
      expect(await deadLetters(at)).toEqual([{ reason: 'crashed', attempts: 4 }])
      // The first end is not yet counted: nobody suspected the message then.
      expect(ends).toBeGreaterThanOrEqual(4)
      expect(ends).toBeLessThanOrEqual(5)
      await check(at)
    },
  )
})
