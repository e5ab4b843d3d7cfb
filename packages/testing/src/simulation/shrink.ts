import { runSimulation, type SimulationPlan, type SimulationRun } from './run.ts'
import type { Scenario } from './scenario.ts'

/**
 * Leaves out faults and acts of a failing run for as long as what is left still fails in the same way.
 *
 * Source: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (delta debugging), 2002.
 */
export async function shrink(
  scenario: () => Scenario,
  failing: SimulationRun,
  mostRuns: number,
): Promise<SimulationRun> {
  const kind = failing.problems[0]?.kind
  let smallest = failing
  let runs = 0
  const mayRun = (): boolean => runs < mostRuns

  async function fails(plan: SimulationPlan): Promise<boolean> {
    runs++
    const run = await runSimulation(scenario, plan)
    if (!run.problems.some((problem) => problem.kind === kind)) return false
    smallest = run
    return true
  }
  /** Drops ever smaller slices of a list. */
  async function reduce<Item>(all: readonly Item[], planOf: (kept: readonly Item[]) => SimulationPlan): Promise<void> {
    let kept = all
    for (let size = Math.ceil(kept.length / 2); size >= 1 && mayRun(); size = Math.floor(size / 2)) {
      for (let start = 0; start < kept.length && mayRun();) {
        const fewer = kept.toSpliced(start, size)
        if (await fails(planOf(fewer))) kept = fewer
        else start += size
      }
    }
  }

  for (let before = Infinity; before > sizeOf(smallest) && mayRun();) {
    before = sizeOf(smallest)
    await reduce(smallest.plan.faults, (faults) => ({ ...smallest.plan, faults }))
    await reduce(smallest.plan.acts, (acts) => ({ ...smallest.plan, acts }))
  }
  return smallest
}

function sizeOf({ plan }: SimulationRun): number {
  return plan.faults.length + plan.acts.length
}
