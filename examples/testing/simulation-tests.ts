import { pause } from '@acuse/core'
import { type Scenario, simulate } from '@acuse/testing'
import { expect, test } from 'vitest'
import {
  checkout,
  OrderCancelled,
  OrderConfirmed,
  OrderPlaced,
  PaymentReceived,
  PaymentRequested,
} from '../sagas/checkout.ts'

// #region scenario
/** Made anew for every run, so that nothing of one is left for the next. */
const thirtyDays = (): Scenario => ({
  name: 'thirty days of orders',
  lasts: { days: 33 },
  faultsPerDay: 8,
  services: {
    shop: {
      processes: 2,
      declare: (bus) => bus.saga(checkout),
    },
    payments: {
      processes: 2,
      declare: (bus, { clock, random }) =>
        bus.group().on(PaymentRequested, async ({ data }, { publish }) => {
          await pause(clock, random.integer(1, 3_000))
          if (random.chance(0.1)) throw new Error('the gateway does not answer')
          if (random.chance(0.4)) publish(PaymentReceived(data))
        }),
    },
  },
  world({ at, random }) {
    for (let number = 1; number <= 20; number++) {
      const order = OrderPlaced({ orderId: `A-${number}` })
      at({ hours: random.integer(0, 48) }, (from) => from.publish('shop', order))
    }
  },
  check({ databases }) {
    const published = databases['shop']?.appended() ?? []
    const ended = published.filter(({ type }) => type === OrderConfirmed.name || type === OrderCancelled.name)
    expect(ended).toHaveLength(20)
    expect(new Set(ended.map(({ key }) => key)).size).toBe(20)
  },
})
// #endregion

// #region simulate
test('every order ends once, paid or cancelled, whatever crashes in thirty days', async () => {
  const { simulatedHours, faults } = await simulate(thirtyDays, { seeds: 2 })
  expect(simulatedHours).toBeGreaterThan(2 * 33 * 24)
  expect(faults).toBeGreaterThan(500)
}, 60_000)
// #endregion
