import { alternate, type Measure } from '../measure.ts'
import { drainSlice, figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

/** Whether draining slows down when very much waits. */
export const backlog: Measure = {
  name: 'backlog',
  long: true,
  run: async (bench) => {
    const much = bench.options.quick ? 100_000 : 5_000_000
    const little = bench.options.quick ? 20_000 : 100_000
    const deep = await bench.start('acuse', 'deep')
    const shallow = await bench.start('acuse', 'shallow')
    const { count, ms } = await deep.load({ count: much, keys: 0 })
    bench.say(`  loaded ${count} in ${Math.round(ms / 1_000)} s by publishing batches of 1,000`)
    const { rates, costs } = await alternate(
      bench,
      {
        deep: () => deep.drain(drainSlice(bench, 100)),
        shallow: () => shallow.drain(drainSlice(bench, 100)),
      },
      async () => {
        await shallow.load({ count: little, keys: 0 })
      },
    )
    const named = (value: number): string => `${value.toLocaleString('en-US')} waiting`
    return [
      {
        measure: 'backlog',
        what: `drain with ${named(much)}, transactions shared`,
        against: named(little),
        unit: 'times',
        value: ratiosOf(rates.deep, rates.shallow),
        reach: { atLeast: 0.9 },
        costs,
        figures: { ...figuresOf(rates), 'loaded per second': (count / ms) * 1_000 },
        includes:
          'both: fsync, 8 connections, sharedTransaction 100, inbox. Loaded by publishing batches of 1,000 in two loops.',
      },
    ]
  },
}
