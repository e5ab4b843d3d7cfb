import { paceAndWait } from '../latency.ts'
import type { Bench, Measure, Row } from '../measure.ts'
import { percentile, spreadOf } from '../statistics.ts'

const perSecond = 1_000
/** Both processes open their connections and compile what they run: for so long a figure is about that. */
const warmMs = 6_000

/** From commit to handler while messages come at a steady rate; publisher and consumer are processes of their own. */
export const latency: Measure = {
  name: 'latency',
  run: async (bench) => [...(await paced(bench, 1)), ...(await paced(bench, 16))],
}

async function paced(bench: Bench, shared: number): Promise<Row[]> {
  const database = `shared-${shared}`
  const consumer = await bench.start('consumer', database)
  await consumer.consume({ from: 'now', shared, record: 'handler' })
  const publisher = await bench.start('publisher', database)
  const rounds: number[][] = []
  for (let round = 0; round <= bench.options.rounds; round++) {
    const isWarming = round === 0 && !bench.options.quick
    const ms = isWarming ? Math.max(warmMs, bench.sliceMs) : bench.sliceMs
    const taken = await paceAndWait(publisher, consumer, { ms, perSecond, keys: 1_000 })
    bench.say(
      `  shared ${shared}, round ${round}: p50 ${percentile(taken, 0.5).toFixed(1)} ms, p99 ${percentile(taken, 0.99).toFixed(1)} ms`,
    )
    if (round > 0) rounds.push(taken)
  }
  await publisher.close()
  await consumer.close()
  const row = (share: number, below: number): Row => ({
    measure: 'latency',
    what: `commit to handler at ${perSecond.toLocaleString('en-US')}/s, sharedTransaction ${shared}, p${share * 100}`,
    unit: 'ms',
    value: spreadOf(rounds.map((taken) => percentile(taken, share))),
    reach: { below },
    figures: {},
    includes:
      'fsync, 1,000 keys, the caller’s transaction, publisher and consumer in processes of their own; from the acknowledged commit to the begin of the handler, with the inbox row before it.',
  })
  return [row(0.5, 5), row(0.99, 25)]
}
