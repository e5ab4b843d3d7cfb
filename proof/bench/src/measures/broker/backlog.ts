import type { BrokerKind } from '../../brokers/broker.ts'
import { alternate, type Measure } from '../../measure.ts'
import { drainSlice, figuresOf } from '../../rates.ts'
import { ratiosOf } from '../../statistics.ts'

const keys = 1_000
const sharing = 100

/** Whether consuming slows down when very much waits in the broker. */
export function backlogOf({ title, durability }: BrokerKind): Measure {
  return {
    name: 'backlog',
    long: true,
    run: async (bench) => {
      const [much, little] = bench.options.quick ? [40_000, 10_000] : [1_000_000, 100_000]
      const deep = await bench.start('group', 'deep')
      const shallow = await bench.start('group', 'shallow')
      const { count, ms } = await deep.load({ count: much, keys })
      bench.say(`  loaded ${count} in ${Math.round(ms / 1_000)} s`)
      const { rates, costs } = await alternate(
        bench,
        {
          deep: () => deep.drain(drainSlice(bench, sharing)),
          shallow: () => shallow.drain(drainSlice(bench, sharing)),
        },
        async () => {
          await shallow.load({ count: little, keys })
        },
      )
      const named = (value: number): string => `${value.toLocaleString('en-US')} waiting`
      return [
        {
          measure: 'backlog',
          what: `consume from ${title} with ${named(much)}, transactions shared`,
          against: named(little),
          unit: 'times',
          value: ratiosOf(rates.deep, rates.shallow),
          reach: { atLeast: 0.9 },
          costs,
          figures: { ...figuresOf(rates), 'loaded per second': (count / ms) * 1_000 },
          includes: `both: ${durability}; keyed messages, sharedTransaction ${sharing}, inbox.`,
        },
      ]
    },
  }
}
