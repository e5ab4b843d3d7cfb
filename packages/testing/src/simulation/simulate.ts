import type { SimulationProblem } from './audit.ts'
import { runSimulation, type SimulationPlan, type SimulationRun } from './run.ts'
import type { Scenario } from './scenario.ts'
import { shrink } from './shrink.ts'

export interface SimulateOptions {
  /** How many seeds are tried. Default: the environment's `SIMULATION_SEEDS`, or 20. */
  readonly seeds?: number
  /** The first of them. Default 1. */
  readonly firstSeed?: number
  /** Runs only this: what a failure prints. Default: the environment's `SIMULATION_PLAN`, if it is of this scenario. */
  readonly plan?: SimulationPlan
  /** How many runs may be spent to find the smallest failing plan. Default 150. */
  readonly shrinkRuns?: number
  /** Told of each run that has ended. */
  readonly onRun?: (run: SimulationRun) => void
}

/** What a simulation has cost and shown. */
export interface SimulationSummary {
  readonly runs: number
  readonly simulatedHours: number
  readonly wallSeconds: number
  readonly hoursPerMinute: number
  readonly faults: number
  readonly committed: number
  readonly applied: number
}

/** A seed under which a promise was broken, and the smallest plan that was found to break it too. */
export class SimulationFailure extends Error {
  readonly scenario: string
  readonly seed: number
  readonly problems: readonly SimulationProblem[]
  readonly plan: Required<SimulationPlan>

  constructor(scenario: string, run: SimulationRun, smallest: SimulationRun) {
    super(describe(scenario, run, smallest))
    this.name = 'SimulationFailure'
    this.scenario = scenario
    this.seed = run.plan.seed
    this.problems = smallest.problems
    this.plan = smallest.plan
  }
}

/**
 * Runs a scenario, made anew each time, under many seeds, each with its own faults, and checks that no message is lost, doubled, overtaken or left behind,
 * that no timeout is early, and that every saga is where its messages bring it. Rejects with `SimulationFailure` for the first seed under which
 * that is not so, after looking for the smallest plan that fails in the same way.
 */
export async function simulate(scenario: () => Scenario, options: SimulateOptions = {}): Promise<SimulationSummary> {
  const { name } = scenario()
  const {
    seeds = Number(process.env['SIMULATION_SEEDS'] ?? 20),
    firstSeed = 1,
    plan = planFromEnvironment(name),
  } = options
  const plans = plan === undefined ? Array.from({ length: seeds }, (_, index) => ({ seed: firstSeed + index })) : [plan]
  const begun = performance.now()
  const total = { runs: 0, simulatedMs: 0, faults: 0, committed: 0, applied: 0 }
  for (const one of plans) {
    const run = await runSimulation(scenario, one)
    options.onRun?.(run)
    total.runs++
    total.simulatedMs += run.simulatedMs
    total.faults += run.faults
    total.committed += run.committed
    total.applied += run.applied
    if (run.problems.length > 0) {
      throw new SimulationFailure(name, run, await shrink(scenario, run, options.shrinkRuns ?? 150))
    }
  }
  const wallSeconds = (performance.now() - begun) / 1_000
  const { simulatedMs, ...counts } = total
  const simulatedHours = simulatedMs / 3_600_000
  return { ...counts, simulatedHours, wallSeconds, hoursPerMinute: (simulatedHours / wallSeconds) * 60 }
}

/** A failure prints its plan with the scenario's name, so that the other scenarios of a test run as ever. */
function planFromEnvironment(name: string): SimulationPlan | undefined {
  const text = process.env['SIMULATION_PLAN']
  if (text === undefined || text === '') return undefined
  const given = JSON.parse(text) as SimulationPlan & { readonly scenario?: string }
  return given.scenario === undefined || given.scenario === name ? given : undefined
}

function describe(scenario: string, run: SimulationRun, { plan, problems }: SimulationRun): string {
  const shown = problems.slice(0, 10).map(({ kind, what }) => `  ${kind}: ${what}`)
  if (problems.length > shown.length) shown.push(`  and ${problems.length - shown.length} more`)
  return [
    `Simulation of ${scenario} fails with seed ${run.plan.seed}:`,
    ...shown,
    `The smallest plan that fails so has ${plan.faults.length} of ${run.plan.faults.length} faults and ${plan.acts.length} of ${run.plan.acts.length} acts:`,
    ...plan.faults.map((fault) => `  ${JSON.stringify(fault)}`),
    'To run it again, set this in the environment of the same command:',
    `  SIMULATION_PLAN='${JSON.stringify({ scenario, ...plan })}'`,
  ].join('\n')
}
