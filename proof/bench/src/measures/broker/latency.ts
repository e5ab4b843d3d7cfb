import type { BrokerKind } from '../../brokers/broker.ts'
import { paceAndWait } from '../../latency.ts'
import type { Bench, Measure, Row } from '../../measure.ts'
import { percentile, spreadOf } from '../../statistics.ts'

const perSecond = 1_000
const keys = 1_000
/** Both processes open their connections and compile what they run: for so long a figure is about that. */
const warmMs = 6_000

/** From commit over the broker to the commit of the effects, while messages come at a steady rate. */
export function latencyOf(kind: BrokerKind): Measure {
  return {
    name: 'latency',
    run: async (bench) => [...(await paced(bench, kind, 1)), ...(await paced(bench, kind, 16))],
  }
}

async function paced(bench: Bench, { title, durability }: BrokerKind, shared: number): Promise<Row[]> {
  const place = 'paced'
  const consumer = await bench.start('consumer', `consumes-${shared}`, { place })
  await consumer.consume({ from: 'now', shared, record: 'effect' })
  const publisher = await bench.start('publisher', `publishes-${shared}`, { place })
  const rounds: number[][] = []
  for (let round = 0; round <= bench.options.rounds; round++) {
    const isWarming = round === 0 && !bench.options.quick
    const ms = isWarming ? Math.max(warmMs, bench.sliceMs) : bench.sliceMs
    const taken = await paceAndWait(publisher, consumer, { ms, perSecond, keys })
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(taken, share).toFixed(1))
    bench.say(`  shared ${shared}, round ${round}: p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`)
    if (round > 0) rounds.push(taken)
  }
  await publisher.close()
  await consumer.close()
  const of = (share: number): number[] => rounds.map((taken) => percentile(taken, share))
  const row = (share: number, below: number): Row => ({
    measure: 'latency',
    what: `commit over ${title} to effect at ${perSecond.toLocaleString('en-US')}/s, sharedTransaction ${shared}, p${share * 100}`,
    unit: 'ms',
    value: spreadOf(of(share)),
    reach: { below },
    figures: { 'p50 ms': spreadOf(of(0.5)).median },
    includes:
      `${durability}; fsync in PostgreSQL; ${keys.toLocaleString('en-US')} keys. Publisher with its relay, and consumer, are processes with a database each; ` +
      'from the acknowledged commit of the caller’s transaction to the commit of inbox and effects.',
  })
  return [row(0.95, 50), row(0.99, 100)]
}
