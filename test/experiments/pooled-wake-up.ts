import { type PgBouncer, startPgBouncer } from '@acuse-proof/servers'
import { createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool } from 'pg'
import { Item } from '../processes/item.ts'
import { experiment, Findings, quantile } from './experiment.ts'
import { withPublisher } from './publish.ts'
import type { World } from './world.ts'

// When what was published and when what was applied is noted by the database itself, as early and as late as a transaction can.
const moments = `
  create table published(n int not null, at timestamptz not null);
  create table applied(n int not null, at timestamptz not null default clock_timestamp());
  create table up(n int not null, at timestamptz not null default clock_timestamp());
`

/** Two processes on a busy machine need this long beside the pause itself. */
const slackMs = 1_000

/** Which part of its longest pause the reader has behind it when a message comes: another one each round. */
const parts = [0.1, 0.3, 0.5, 0.7]

/** How its reader finds messages in a part of the experiment. */
type Way = 'polls' | 'polls, the pooler killed' | 'listens past the pooler'

export const pooledWakeUp = experiment({
  name: 'I16-pooler',
  title:
    'behind a pooler in transaction mode each message is found within the poll interval, also when the pooler is killed',
  small: { rounds: 6, kills: 2, pollMaxMs: 1_000 },
  whole: { rounds: 100, kills: 30, pollMaxMs: 1_000 },
  async run(world, { rounds, kills, pollMaxMs }) {
    const findings = new Findings()
    await world.pool.query(moments)
    await using pooler = await startPgBouncer({ upstream: world.url })
    const url = pooler.urlOf(new URL(world.url).pathname.slice(1))
    let next = 0
    let listening = 0

    async function delaysOf(way: Way, count: number): Promise<number[]> {
      const pool = new Pool({ connectionString: url, max: 12, connectionTimeoutMillis: 5_000 })
      pool.on('error', () => undefined)
      const past = way === 'listens past the pooler' ? { listenConnection: world.url } : {}
      const bus = createBus({ service: 'reader', store: pg(pool, { log: { pollMaxMs }, ...past }) })
      bus.group('reader', { from: 'earliest', concurrency: 2 }).on(Item, async ({ data }, { tx }) => {
        await tx.query('insert into applied(n) values ($1)', [data.n])
      })
      await bus.start()
      const first = next
      await withPublisher(world, async (publish) => {
        for (; next < first + count; next++) {
          const n = next
          await untilQuiet(world, pollMaxMs * (1.1 + (parts[n % parts.length] ?? 0)))
          if (way === 'polls') listening += await world.number(listeners)
          if (way === 'polls, the pooler killed') await pooler.kill()
          await publish([{ message: Item({ key: 'one', n }) }], async (tx) => {
            await tx.query('insert into published values ($1, clock_timestamp())', [n])
          })
          if (way === 'polls, the pooler killed') await restart(pooler, world, n)
          await world.until(`select count(*) from applied where n = ${n}`, 1, 30_000)
        }
      })
      await bus.stop()
      await pool.end()
      const { rows } = await world.pool.query<{ delay_ms: number }>(
        `select extract(epoch from a.at - greatest(p.at, u.at))::float8 * 1000 as delay_ms
         from applied a join published p on p.n = a.n left join up u on u.n = a.n where a.n >= $1`,
        [first],
      )
      findings.equal(`applied where the reader ${way}`, rows.length, count)
      return rows.map(({ delay_ms }) => delay_ms)
    }

    const polled = await delaysOf('polls', rounds)
    const killed = await delaysOf('polls, the pooler killed', kills)
    const listened = await delaysOf('listens past the pooler', rounds)
    findings.equal('backends that listened', listening, 0)
    for (const ms of [...polled, ...killed, ...listened]) {
      findings.expect(ms < pollMaxMs + slackMs, `a message was found ${Math.round(ms)} ms after it could be`)
    }
    const listenedP50Ms = Math.round(quantile(listened, 0.5))
    findings.expect(listenedP50Ms < pollMaxMs / 2, `whoever listens heard after ${listenedP50Ms} ms`)
    return {
      broken: findings.broken,
      figures: {
        rounds,
        kills,
        pollMaxMs,
        polledP50Ms: Math.round(quantile(polled, 0.5)),
        polledLongestMs: Math.round(Math.max(...polled)),
        killedP50Ms: Math.round(quantile(killed, 0.5)),
        killedLongestMs: Math.round(Math.max(...killed)),
        listenedP50Ms,
        listenedLongestMs: Math.round(Math.max(...listened)),
      },
    }
  },
})

const listeners = `select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'acuse:reader' and query ilike 'listen%'`

/** Waits until the reader has found nothing for this long: its pauses double, and their sum is little more than the last. */
async function untilQuiet(world: World, forMs: number): Promise<void> {
  await world.until(
    'select coalesce(extract(epoch from clock_timestamp() - max(at)) * 1000, 1e9) from applied',
    forMs,
    30_000,
  )
}

/** Notes when it takes connections again: before that nobody could have found anything. */
async function restart(pooler: PgBouncer, world: World, round: number): Promise<void> {
  await pooler.start()
  await world.pool.query('insert into up(n) values ($1)', [round])
}
