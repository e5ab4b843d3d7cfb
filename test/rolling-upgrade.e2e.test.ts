import { migrate } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { check, consumer, prepare, publisher } from './processes/fault-scene.ts'
import { scene } from './processes/scene.ts'

const shipped = new URL('../packages/postgres/migrations/', import.meta.url)

/**
 * What a next version may bring, of each kind that is allowed. Functions are replaced by themselves: the sessions that use them
 * have to plan anew all the same.
 */
const next: readonly (readonly [file: string, sql: string])[] = [
  ['9001-log.sql', 'alter table @schema@.log add column region text;'],
  ['9002-inbox.sql', "alter table @schema@.inbox add column note text not null default '';"],
  [
    '9003-parked.sql',
    'alter table @schema@.parked add column note text; create table @schema@.note (id int primary key);',
  ],
  [
    '9004-functions.sql',
    `do $$ declare definition text; begin
       for definition in select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where quote_ident(n.nspname) = '@schema@' or '"' || n.nspname || '"' = '@schema@'
       loop execute definition; end loop;
     end $$;`,
  ],
]

async function nextVersion(): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-next-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(shipped, folder, { recursive: true })
  for (const [file, sql] of next) await writeFile(join(folder, file), sql)
  return pathToFileURL(`${folder}/`)
}

/** Whoever waits longer than this for a table fails, and with it its process. */
const impatient = (url: string): string => `${url}?options=${encodeURIComponent('-c lock_timeout=50ms')}`

describe('a rolling upgrade', () => {
  it('migrates beneath processes that publish and consume: nothing is lost, doubled or reordered, no publish waits 50 ms for a table', async () => {
    const at = await scene()
    await prepare(at)
    const before = { MIGRATE: 'off' }
    const oldConsumers = [consumer(at, before), consumer(at, { ...before, FAIL_RATE: '0.1' })]
    const publishing = [0, 1].map((one) =>
      publisher(at, {
        ...before,
        DATABASE_URL: impatient(at.url),
        // A commit that notifies waits for the others that do, and for the disk under each: no matter of migrations.
        NOTIFY: 'outside',
        FIRST: String(one * 100_000),
        KEY: `k${one}-`,
        COUNT: '1000',
        ROLLBACK_RATE: '0.2',
      }),
    )
    await Promise.all([...oldConsumers, ...publishing].map(({ ready }) => ready))
    await at.untilEffects(50)

    // A business transaction that has published, and stays open: the migration has to wait for it, and nobody else may.
    const business = await at.pool.connect()
    await business.query('begin')
    await business.query('insert into acuse.log select * from acuse.log limit 0')
    let migrated = false
    const migrating = migrate(at.url, { folder: await nextVersion() }).finally(() => (migrated = true))
    const waited = (await at.wanted()).length
    await eventually(async () => expect((await at.wanted()).length).toBeGreaterThan(waited + 300), {
      timeoutMs: 60_000,
    })
    expect(migrated).toBe(false)
    await business.query('commit')
    business.release()
    expect(await migrating).toEqual(next.map(([file]) => file.slice(0, -'.sql'.length)))

    // The next version beside the one before, which then goes process by process.
    const newConsumers = [consumer(at, { MIGRATE: 'verify' }), consumer(at, { MIGRATE: 'verify' })]
    await Promise.all(newConsumers.map(({ ready }) => ready))
    for (const old of oldConsumers) {
      old.process.kill('SIGTERM')
      expect((await old.ended).code, old.errors()).toBe(0)
    }
    for (const one of publishing) expect((await one.ended).code, one.errors()).toBe(0)
    await check(at)
  })
})
