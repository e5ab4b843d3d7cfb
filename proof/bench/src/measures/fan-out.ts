import type { Counted } from '../contestants/contestant.ts'
import { alternate, type Measure } from '../measure.ts'
import { backlogOf, drainSlice, figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

const many = 10

/** What ten subscriptions cost, against one. */
export const fanOut: Measure = {
  name: 'fan-out',
  run: async (bench) => {
    const one = await bench.start('fan-out', 'one')
    const ten = await bench.start('fan-out', 'ten')
    await one.subscribe(1)
    await ten.subscribe(many)
    const publish = { ms: bench.sliceMs }
    const publishing = await alternate(bench, { one: () => one.publish(publish), ten: () => ten.publish(publish) })

    const { ms, warmMs } = drainSlice(bench, 1)
    const slowest = (counted: readonly Counted[]): Counted => ({
      count: Math.min(...counted.map(({ count }) => count)),
      ms,
    })
    const draining = await alternate(
      bench,
      {
        one: async () => slowest(await one.drain({ ms, warmMs })),
        'slowest of ten': async () => slowest(await ten.drain({ ms, warmMs })),
      },
      async () => {
        await one.load(backlogOf(bench))
        await ten.load(backlogOf(bench))
      },
    )
    const share = draining.rates.one.map((perSecond) => perSecond / many)
    const common = { measure: 'fan-out', unit: 'times' } as const
    return [
      {
        ...common,
        what: 'publish to ten subscriptions',
        against: 'one',
        value: ratiosOf(publishing.rates.ten, publishing.rates.one),
        reach: { atLeast: 0.9 },
        figures: figuresOf(publishing.rates),
        costs: publishing.costs,
        includes: 'fsync, publishNow, 8 at a time; the groups are known to the log and do not run meanwhile.',
      },
      {
        ...common,
        what: 'the slowest of ten subscriptions drains',
        against: 'a tenth of one',
        value: ratiosOf(draining.rates['slowest of ten'], share),
        reach: { atLeast: 0.8 },
        figures: figuresOf(draining.rates),
        costs: draining.costs,
        includes:
          'fsync, one process, an effect transaction and an inbox row for each message and group; concurrency 8 a group.',
      },
    ]
  },
}
