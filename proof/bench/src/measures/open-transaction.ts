import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { paceAndWait } from '../latency.ts'
import type { Bench, Measure, Row } from '../measure.ts'
import { percentile, ratiosOf, spreadOf } from '../statistics.ts'

const perSecond = 200
const deliveringIn = 'delivering'
const publishingIn = 'publishing'

interface Sample {
  /** Publishing, as a share of plain inserts in the same moments: what slows the machine slows both. */
  readonly publishing: number
  readonly acusePerSecond: number
  readonly p50: number
}

/** Whether a transaction that has nothing to do with messages, but stays open, slows publishing or delivery. */
export const openTransaction: Measure = {
  name: 'open-transaction',
  long: true,
  run: async (bench) => {
    const openMs = bench.options.quick ? 4_000 : 600_000
    const take = await sampler(bench)
    await take()
    const before = await repeated(bench.options.rounds, take)
    const closings = [
      await holdTransaction(await bench.database(deliveringIn)),
      await holdTransaction(await bench.database(publishingIn)),
    ]
    const endsAt = performance.now() + openMs
    const during: Sample[] = []
    while (performance.now() < endsAt) {
      during.push(await take())
      await sleep(Math.min(5_000, Math.max(0, endsAt - performance.now())))
    }
    // The oldest of the transaction's age: what piles up has piled up by then.
    const late = [...during.slice(-bench.options.rounds)]
    while (late.length < bench.options.rounds) late.push(await take())
    for (const close of closings) await close()
    const after = await repeated(bench.options.rounds, take)
    return rowsOf(before, late, after, openMs)
  },
}

async function sampler(bench: Bench): Promise<() => Promise<Sample>> {
  const consumer = await bench.start('consumer', deliveringIn)
  await consumer.consume({ from: 'now', shared: 1, record: 'handler' })
  const publisher = await bench.start('publisher', deliveringIn)
  // In a database of its own: what it publishes as fast as it can would have to be drained before the next latency is taken.
  const acuse = await bench.start('acuse', publishingIn)
  const sql = await bench.start('sql', publishingIn)
  const slice = { ms: bench.sliceMs, atOnce: 8, keys: 1_000, batch: 1 }
  return async () => {
    const plain = await sql.publish(slice)
    const published = await acuse.publish(slice)
    const latencies = await paceAndWait(publisher, consumer, { ms: bench.sliceMs, perSecond, keys: 1_000 })
    const p50 = percentile(latencies, 0.5)
    const sample = {
      publishing: published.count / plain.count,
      acusePerSecond: (published.count / slice.ms) * 1_000,
      p50,
    }
    bench.say(
      `  sql ${plain.count}, acuse ${published.count}, p50 ${p50.toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
    )
    return sample
  }
}

async function repeated(rounds: number, take: () => Promise<Sample>): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = 0; round < rounds; round++) samples.push(await take())
  return samples
}

/** Opens a transaction that has written, and so holds back what vacuum may remove. Gives what ends it. */
async function holdTransaction(url: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('create table unrelated (n integer)')
  await client.query('begin isolation level repeatable read')
  await client.query('insert into unrelated values (1)')
  return async () => {
    await client.query('commit')
    await client.end()
  }
}

function rowsOf(before: readonly Sample[], during: readonly Sample[], after: readonly Sample[], openMs: number): Row[] {
  const calm = before.map((sample, round) => mean(sample, after[round] ?? sample))
  const common = {
    measure: 'open-transaction',
    against: 'none open',
    unit: 'times',
    reach: { atLeast: 0.9 },
    includes:
      'The last rounds of the open time against the rounds before and after it. A repeatable read transaction that has written, in each of the databases. ' +
      'Publishing: as a share of plain inserts in the same moments. Delivery: p50 from commit to handler at 200/s, as its inverse.',
  } as const
  const minutes = `${(openMs / 60_000).toFixed(0)} minutes`
  const latencyOf = (samples: readonly Sample[]): number[] => samples.map(({ p50 }) => 1 / Math.max(p50, 0.1))
  return [
    {
      ...common,
      what: `publish while a transaction stays open for ${minutes}`,
      value: ratiosOf(
        during.map(({ publishing }) => publishing),
        calm.map(({ publishing }) => publishing),
      ),
      figures: {
        during: spreadOf(during.map(({ acusePerSecond }) => acusePerSecond)).median,
        calm: spreadOf(calm.map(({ acusePerSecond }) => acusePerSecond)).median,
      },
    },
    {
      ...common,
      what: `delivery while a transaction stays open for ${minutes}`,
      value: ratiosOf(latencyOf(during), latencyOf(calm)),
      figures: {
        'p50 ms during': spreadOf(during.map(({ p50 }) => p50)).median,
        'p50 ms calm': spreadOf(calm.map(({ p50 }) => p50)).median,
      },
    },
  ]
}

function mean(one: Sample, other: Sample): Sample {
  return {
    publishing: (one.publishing + other.publishing) / 2,
    acusePerSecond: (one.acusePerSecond + other.acusePerSecond) / 2,
    p50: (one.p50 + other.p50) / 2,
  }
}
