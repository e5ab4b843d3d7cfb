import { describe, expect, it } from 'vitest'
import { runSimulation, type Scenario, simulate, SimulationFailure, type SimulationPlan } from '../src/index.ts'
import { type Mutant, mutants, spoiledBroker, spoiledStore } from './simulation/mutants.ts'
import { shop } from './simulation/shop.ts'

/** One busy hour with a fault every minute and a half: bugs show in the first few seeds. */
const stormy = { lasts: { hours: 1 }, faultsPerDay: 1_000, ordersPerDay: 720 }

function spoiled({ store, broker }: Mutant): () => Scenario {
  return () =>
    shop({
      ...stormy,
      ...(broker === undefined ? {} : { broker: spoiledBroker(broker) }),
      change: (_service, declared) => (store === undefined ? declared : { ...declared, store: spoiledStore(store) }),
    })
}

async function failureOf(scenario: () => Scenario, shrinkRuns: number): Promise<SimulationFailure> {
  try {
    await simulate(scenario, { seeds: 40, shrinkRuns })
  } catch (error) {
    if (error instanceof SimulationFailure) return error
    throw error
  }
  throw new Error('the planted bug was not found in 40 seeds')
}

describe('the simulated shop', () => {
  it.each(['broker', 'database'] as const)(
    'loses, doubles, overtakes and forgets nothing in a day with faults (%s)',
    { timeout: 120_000 },
    async (transport) => {
      const { committed, applied, faults, simulatedHours } = await simulate(() => shop({ transport }), { seeds: 2 })
      expect(committed).toBeGreaterThan(800)
      expect(applied).toBeGreaterThan(800)
      expect(faults).toBeGreaterThan(80)
      expect(simulatedHours).toBeGreaterThanOrEqual(48)
    },
  )

  it.each(['broker', 'database'] as const)(
    'loses, doubles, overtakes and forgets nothing in hours full of faults (%s)',
    { timeout: 120_000 },
    async (transport) => {
      const { faults } = await simulate(() => shop({ ...stormy, transport }), { seeds: 6 })
      expect(faults).toBeGreaterThan(200)
    },
  )

  it('is the same to the last detail for the same seed, and another one for another', { timeout: 60_000 }, async () => {
    const [first, again, other] = [
      await runSimulation(() => shop(stormy), { seed: 7 }),
      await runSimulation(() => shop(stormy), { seed: 7 }),
      await runSimulation(() => shop(stormy), { seed: 8 }),
    ]
    expect(first.problems).toEqual([])
    expect(again.trace).toBe(first.trace)
    expect(again.plan).toEqual(first.plan)
    expect(other.trace).not.toBe(first.trace)
  })

  it('is the same when its plan is given as data', { timeout: 60_000 }, async () => {
    const first = await runSimulation(() => shop(stormy), { seed: 9 })
    const copy = JSON.parse(JSON.stringify(first.plan)) as SimulationPlan
    expect((await runSimulation(() => shop(stormy), copy)).trace).toBe(first.trace)
  })
})

describe('a planted bug', () => {
  it.each(Object.entries(mutants))('is found in a few seeds: %s', { timeout: 120_000 }, async (_name, mutant) => {
    const { problems } = await failureOf(spoiled(mutant), 0)
    expect(mutant.shows).toContain(problems[0]?.kind)
  })

  it('is shrunk to the few events that show it, with the command to run it again', { timeout: 120_000 }, async () => {
    const mutant = mutants['a retry that is forgotten']
    if (mutant === undefined) throw new Error('there is no such mutant')
    const failure = await failureOf(spoiled(mutant), 150)
    expect(failure.plan.faults.length).toBeLessThanOrEqual(4)
    expect(failure.plan.acts.length).toBeLessThanOrEqual(4)
    const [, shown] = /SIMULATION_PLAN='(.+)'/.exec(failure.message) ?? []
    const again = await runSimulation(spoiled(mutant), JSON.parse(shown ?? '{}') as SimulationPlan)
    expect(again.problems).toEqual(failure.problems)
  })
})
