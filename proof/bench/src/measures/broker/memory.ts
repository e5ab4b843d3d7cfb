import type { BrokerKind } from '../../brokers/broker.ts'
import { paceAndWait } from '../../latency.ts'
import type { Measure, Row } from '../../measure.ts'
import { mean, slopeOf } from '../../statistics.ts'

const perSecond = 1_000
const keys = 1_000
const stretchMs = 10_000
/** What the operating guide tells a small container to run with. */
const bounded = ['--max-old-space-size=96', '--max-semi-space-size=8']

interface Sample {
  readonly minute: number
  readonly publisher: number
  readonly consumer: number
}

/** Whether memory grows while messages come at a steady rate. */
export function memoryOf({ title }: BrokerKind): Measure {
  return {
    name: 'memory',
    long: true,
    run: async (bench) => {
      const { quick } = bench.options
      const [minutes, ms] = quick ? [0.05, 1_000] : [10, stretchMs]
      const place = 'steady'
      const consumer = await bench.start('consumer', 'consumes', { node: bounded, place })
      await consumer.consume({ from: 'now', shared: 1, record: 'effect' })
      const publisher = await bench.start('publisher', 'publishes', { node: bounded, place })
      const samples: Sample[] = []
      const beganMs = performance.now()
      const minute = (): number => (performance.now() - beganMs) / 60_000
      while (minute() < minutes) {
        await paceAndWait(publisher, consumer, { ms, perSecond, keys })
        const { rssMb } = await consumer.progress()
        samples.push({ minute: minute(), publisher: await publisher.rssMb(), consumer: rssMb })
        const { publisher: relaying, consumer: consuming } = samples.at(-1) ?? { publisher: 0, consumer: 0 }
        bench.say(
          `  after ${minute().toFixed(1)} min: publisher ${relaying.toFixed(0)} MB, consumer ${consuming.toFixed(0)} MB`,
        )
      }
      await publisher.close()
      await consumer.close()
      return (['publisher', 'consumer'] as const).map((who) => rowOf(title, who, samples, minutes))
    },
  }
}

/** The last tenth of the time against the second: in the first what is compiled and what is pooled comes into being. */
function rowOf(title: string, who: 'publisher' | 'consumer', samples: readonly Sample[], minutes: number): Row {
  const between = (from: number, to: number): number[] =>
    samples
      .filter(({ minute }) => minute > from * minutes && minute <= to * minutes * 1.05)
      .map((sample) => sample[who])
  const settled = samples.filter(({ minute }) => minute > minutes / 10)
  const [early, late] = [mean(between(0.1, 0.2)), mean(between(0.9, Infinity))]
  const ratio = late / early
  return {
    measure: 'memory',
    what: `resident memory of the ${who} over ${title} at ${perSecond.toLocaleString('en-US')}/s after ${minutes} minutes`,
    against: 'the second of them',
    unit: 'times',
    value: { median: ratio, least: ratio, most: ratio },
    reach: { below: 1.1 },
    figures: {
      'MB early': early,
      'MB late': late,
      'MB more a minute': slopeOf(settled.map((sample) => [sample.minute, sample[who]])),
    },
    includes: `the whole process, Node included, ${bounded.join(' ')}; a transaction a message on both sides, inbox; the publisher relays.`,
  }
}
