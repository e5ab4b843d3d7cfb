import { alternate, type Bench, type Measure } from '../measure.ts'
import { backlogOf, drainSlice, figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

/** What keeping the order of 1,000 keys costs. */
export const keyed: Measure = {
  name: 'keyed',
  run: async (bench) => [
    await against(bench, 1, 'a transaction each'),
    await against(bench, 100, 'transactions shared'),
  ],
}

async function against(bench: Bench, shared: number, how: string) {
  bench.say(` ${how}`)
  const inOrder = await bench.start('acuse', `keyed-${shared}`)
  const free = await bench.start('acuse', `unkeyed-${shared}`)
  const count = backlogOf(bench)
  const { rates, costs } = await alternate(
    bench,
    {
      keyed: () => inOrder.drain(drainSlice(bench, shared)),
      unkeyed: () => free.drain(drainSlice(bench, shared)),
    },
    async () => {
      await inOrder.load({ count, keys: 1_000 })
      await free.load({ count, keys: 0 })
    },
  )
  await inOrder.close()
  await free.close()
  return {
    measure: 'keyed',
    what: `drain in order of 1,000 keys, ${how}`,
    against: 'unkeyed',
    unit: 'times',
    value: ratiosOf(rates.keyed, rates.unkeyed),
    reach: { atLeast: 0.7 },
    figures: figuresOf(rates),
    costs,
    includes: 'both: fsync, 8 connections, inbox and effect transaction.',
  } as const
}
