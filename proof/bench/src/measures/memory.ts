import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Measure, Row } from '../measure.ts'

const reportMs = 5_000
/** A consumer that handles nothing for so long has stopped. */
const longestStillMs = 60_000

/** What the operating guide tells a small container to run with. */
const bounded = ['--max-old-space-size=96', '--max-semi-space-size=8']

/** How much memory a consumer takes while it drains all of a deep backlog. */
export const memory: Measure = {
  name: 'memory',
  long: true,
  run: async (bench) => {
    const { quick } = bench.options
    const [much, little] = quick ? [50_000, 20_000] : [5_000_000, 1_000_000]
    return [
      await drained(bench, 'bounded', much, bounded),
      // Without the arguments it stands still at its peak long before the end.
      await drained(bench, 'default', little, []),
    ]
  },
}

async function drained(bench: Bench, database: string, count: number, node: readonly string[]): Promise<Row> {
  const loader = await bench.start('acuse', database)
  const loaded = await loader.load({ count, keys: 0 })
  await loader.close()
  bench.say(`  loaded ${count} in ${Math.round(loaded.ms / 1_000)} s`)
  const consumer = await bench.start('consumer', database, { node })
  const startedAt = performance.now()
  await consumer.consume({ from: 'earliest', shared: 100, record: 'none' })
  let last = await consumer.progress()
  let movedAt = startedAt
  while (last.handled < count) {
    await sleep(bench.options.quick ? 100 : reportMs)
    const now = await consumer.progress()
    if (now.handled > last.handled) movedAt = performance.now()
    if (performance.now() - movedAt > longestStillMs) {
      throw new Error(`The consumer stopped at ${now.handled} of ${count} messages.`)
    }
    last = now
    bench.say(`  ${now.handled} handled, peak ${now.peakRssMb.toFixed(0)} MB`)
  }
  const seconds = (performance.now() - startedAt) / 1_000
  await consumer.close()
  const { peakRssMb } = last
  return {
    measure: 'memory',
    what: `resident memory of a consumer that drains ${count.toLocaleString('en-US')}, ${node.length === 0 ? 'Node as it comes' : node.join(' ')}`,
    unit: 'MB',
    value: { median: peakRssMb, least: peakRssMb, most: peakRssMb },
    reach: { below: 250 },
    figures: { 'messages a second': count / seconds },
    includes: 'the whole process, Node included, sampled every 100 ms; default prefetch, sharedTransaction 100, inbox.',
  }
}
