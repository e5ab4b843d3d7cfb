import { type CheckoutActor, type CheckoutSlice, roles } from '../checkout/roles.ts'
import type { Counted } from '../contestants/contestant.ts'
import { alternate, type Bench, type Measure } from '../measure.ts'
import { figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

const atOnce = 64

/** A checkout as a saga over three services, against the same one written by hand. */
export const checkout: Measure = {
  name: 'checkout',
  run: async (bench) => {
    const acuse = await startServices(bench, 'acuse-checkout')
    const handmade = await startServices(bench, 'handmade-checkout')
    // Orders come through in waves of those under way; a slice holds several of them.
    const slice = { ms: 2 * bench.sliceMs, warmMs: bench.options.quick ? 200 : 500, atOnce }
    const { rates, costs } = await alternate(bench, {
      acuse: () => inTurn(acuse, slice),
      handmade: () => inTurn(handmade, slice),
    })
    return [
      {
        measure: 'checkout',
        what: 'marketplace checkout, orders a second',
        against: 'the same saga written by hand in SQL',
        unit: 'times',
        value: ratiosOf(rates.acuse, rates.handmade),
        reach: { atLeast: 0.6 },
        figures: figuresOf(rates),
        costs,
        includes:
          'both: fsync, three processes with a database each and one for messages, 6 messages an order, outbox and inbox, a saga row, 64 orders under way. ' +
          'By hand: SKIP LOCKED queue, no order per key, no retries, no dead letters, messages deleted. Acuse: all of these, and messages are kept.',
      },
    ]
  },
}

async function startServices(
  bench: Bench,
  name: 'acuse-checkout' | 'handmade-checkout',
): Promise<readonly CheckoutActor[]> {
  const messagesUrl = await bench.database(`${name}-messages`)
  const services = []
  for (const role of roles) {
    const service = await bench.start(name, `${name}-${role}`)
    await service.start({ role, storeUrl: await bench.database(`${name}-${role}`), messagesUrl })
    services.push(service)
  }
  return services
}

/** Runs a slice with all three services at work, and lets them rest. The first of them is the one that places orders. */
async function inTurn(services: readonly CheckoutActor[], slice: CheckoutSlice): Promise<Counted> {
  const [orders] = services
  if (orders === undefined) throw new Error('There are no services.')
  for (const service of services) await service.work(true)
  const counted = await orders.run(slice)
  for (const service of services) await service.work(false)
  return counted
}
