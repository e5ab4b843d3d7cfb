import { createBus } from '@acuse/core'
import { migrate, pg } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Pool } from 'pg'
import { Item } from '../processes/item.ts'
import { experiment, Findings, quantile } from './experiment.ts'

const shipped = new URL('../../packages/postgres/migrations/', import.meta.url)

/** A statement that waits longer than this for a table fails, and so does the experiment. */
const lockTimeoutMs = 50
const betweenPublishesMs = 10

export const openTransaction = experiment({
  name: 'I5',
  title: 'a business transaction that stays open lets neither the ring nor a migration hold up a publish',
  small: { holdMs: 4_000 },
  whole: { holdMs: 600_000 },
  async run(world, { holdMs }) {
    const findings = new Findings()
    const publishers = new Pool({ connectionString: world.url, max: 4, options: `-c lock_timeout=${lockTimeoutMs}` })
    const folder = await nextVersion()
    // The ring turns twice a second, and a group reads along so that it can.
    const bus = createBus({
      service: 'shop',
      store: pg(world.pool, { log: { retentionMs: 1_000, rotateAfterMs: 500 } }),
    })
    const writer = createBus({ service: 'writer', store: pg(publishers, { connection: world.url }) })
    let applied = 0
    bus.group({ from: 'earliest' }).on(Item, () => void applied++)
    await bus.start()
    await writer.start()

    const held = await world.pool.connect()
    await held.query('begin')
    await bus.publish(held, Item({ key: 'held', n: -1 }))
    const began = performance.now()
    let migrated = false
    const migrating = migrate(world.url, { folder: pathToFileURL(`${folder}/`) }).finally(() => (migrated = true))

    const waits: number[] = []
    const refused: string[] = []
    const slots = new Set<number>()
    while (performance.now() - began < holdMs) {
      const client = await publishers.connect()
      const before = performance.now()
      try {
        await client.query('begin')
        await writer.publish(client, Item({ key: `k${waits.length % 50}`, n: waits.length }))
        waits.push(performance.now() - before)
        await client.query('commit')
      } catch (error) {
        refused.push(String(error))
        await client.query('rollback')
      }
      client.release()
      if (waits.length % 100 === 0) {
        slots.add(await world.number('select slot from acuse.log_state'))
        world.say(`${Math.round((performance.now() - began) / 1_000)} s, ${waits.length} published`)
      }
      await pause(betweenPublishesMs)
    }
    const heldMs = Math.round(performance.now() - began)
    findings.expect(!migrated, 'the migration of the log did not wait for the open transaction')
    await held.query('commit')
    held.release()
    await migrating
    await eventually(
      async () => {
        if (applied < waits.length + 1) throw new Error(`${applied} of ${waits.length + 1} are applied`)
      },
      { timeoutMs: 60_000 },
    )
    await writer.stop()
    await bus.stop()
    await publishers.end()
    await rm(folder, { recursive: true, force: true })
    findings.expect(
      refused.length === 0,
      `${refused.length} publishes were held up for ${lockTimeoutMs} ms: ${refused[0]}`,
    )
    findings.expect(slots.size > 1, 'the ring did not turn')
    findings.equal('applied', applied, waits.length + 1)
    return {
      broken: findings.broken,
      figures: {
        heldMs,
        published: waits.length,
        heldUp: refused.length,
        slotsSeen: slots.size,
        publishP50Ms: Math.round(quantile(waits, 0.5) * 10) / 10,
        publishP99Ms: Math.round(quantile(waits, 0.99) * 10) / 10,
        publishMaxMs: Math.round(Math.max(...waits)),
      },
    }
  },
})

/** The migrations as they are, and one more that changes the log's table. */
async function nextVersion(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-migrations-'))
  await cp(fileURLToPath(shipped), folder, { recursive: true })
  await writeFile(join(folder, '0099-experiment.sql'), 'alter table @schema@.log add column experiment text;\n')
  return folder
}
