import { setTimeout as sleep } from 'node:timers/promises'
import { paceAndWait } from '../latency.ts'
import type { Measure } from '../measure.ts'
import { percentile } from '../statistics.ts'

/** Several pairs idle beside each other, each in a database of its own, so that a minute gives more than one figure. */
const pairs = 6

/** How soon a message is handled that comes after a minute in which nothing did. */
export const idle: Measure = {
  name: 'idle',
  long: true,
  run: async (bench) => {
    const { quick, rounds } = bench.options
    const idleMs = quick ? 3_000 : 60_000
    const opened = []
    for (let pair = 0; pair < (quick ? 2 : pairs); pair++) {
      const consumer = await bench.start('consumer', `pair-${pair}`)
      await consumer.consume({ from: 'now', shared: 1, record: 'handler' })
      opened.push({ consumer, publisher: await bench.start('publisher', `pair-${pair}`) })
    }
    const latencies: number[] = []
    for (let round = 0; round < rounds; round++) {
      await sleep(idleMs)
      for (const { publisher, consumer } of opened) {
        latencies.push(...(await paceAndWait(publisher, consumer, { ms: 0, perSecond: 1, keys: 1 })))
      }
      bench.say(
        `  after ${idleMs / 1_000} s: ${latencies
          .slice(-opened.length)
          .map((ms) => ms.toFixed(1))
          .join(', ')} ms`,
      )
    }
    const p99 = percentile(latencies, 0.99)
    return [
      {
        measure: 'idle',
        what: `the first message after ${idleMs / 1_000} s of idling, p99 of ${latencies.length}`,
        unit: 'ms',
        value: { median: p99, least: Math.min(...latencies), most: Math.max(...latencies) },
        reach: { below: 50 },
        figures: { 'p50 ms': percentile(latencies, 0.5) },
        includes:
          'the caller’s own transaction, in another process than the consumer; from the acknowledged commit to the handler.',
      },
    ]
  },
}
