import { systemClock } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { createMemoryDatabase, createVirtualClock, memoryStore } from '@acuse/testing'
import fc from 'fast-check'
import { Pool } from 'pg'
import { expect, inject, it, onTestFinished } from 'vitest'
import { databaseFor } from './example-database.ts'
import { parkedCommands } from './parked-model/commands.ts'
import { ParkedModel } from './parked-model/model.ts'
import { Run, subjectOf, type Subject } from './parked-model/subject.ts'

const runs = 120
/** The property's last runs are those that make a failing one smaller. */
const groups = Array.from({ length: 2_000 }, (_, number) => `g${number}`)

it(
  'parked messages in PostgreSQL and in memory are the same, and what a small model says',
  { timeout: 120_000 },
  async () => {
    const [sql, memory] = [await sqlSubject(), await memorySubject()]
    const free = groups.values()
    let most = 0
    await fc.assert(
      fc.asyncProperty(parkedCommands(25), async (commands) => {
        const { value: group } = free.next()
        if (group === undefined) throw new Error('more runs than groups')
        most++
        const real = [new Run(sql, group), new Run(memory, group)]
        await fc.asyncModelRun(() => ({ model: new ParkedModel(), real }), commands)
      }),
      { numRuns: runs },
    )
    expect(most).toBe(runs)
  },
)

async function memorySubject(): Promise<Subject> {
  const clock = createVirtualClock()
  const context = { service: 's', instance: 'one', clock, groups, effectConnections: 1, onError: () => undefined }
  const store = await memoryStore(createMemoryDatabase(clock))(context)
  return subjectOf('memory', store, (ms) => clock.advance({ ms }))
}

async function sqlSubject(): Promise<Subject> {
  const pool = new Pool({ connectionString: await databaseFor('parked', inject('adminUrl')), max: 4 })
  onTestFinished(() => pool.end())
  const advance = await movableClock(pool)
  const context = {
    service: 's',
    instance: 'one',
    clock: systemClock,
    groups,
    effectConnections: 1,
    onError: () => undefined,
  }
  const store = await pg(pool)(context)
  onTestFinished(async () => store[Symbol.asyncDispose]())
  return subjectOf('PostgreSQL', store, advance)
}

/** A `clock_timestamp()` that is found before the server's own; made before the schema, so that the defaults of its tables use it too. */
async function movableClock(pool: Pool): Promise<(ms: number) => Promise<void>> {
  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  await pool.query(`
    create schema test_clock;
    create table test_clock.shift (by interval not null);
    insert into test_clock.shift values ('0');
    create function test_clock.clock_timestamp() returns timestamptz language sql volatile
      as 'select pg_catalog.clock_timestamp() + by from test_clock.shift';
    alter database "${rows[0]?.name ?? ''}" set search_path = test_clock, pg_catalog, public`)
  // Only new connections have the search path.
  const settled = new Promise<void>((resolve) => pool.once('remove', () => resolve()))
  const client = await pool.connect()
  client.release(true)
  await settled
  return async (ms) => {
    await pool.query(`update test_clock.shift set by = by + interval '${ms} milliseconds'`)
  }
}
