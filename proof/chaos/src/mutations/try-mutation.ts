import { faultsOf } from '../faults/faults.ts'
import { defaultPlan, type Plan } from '../plan.ts'
import type { ProgressOutput } from '../progress.ts'
import { ReplayRefusedError } from '../processes/worker-process.ts'
import { run } from '../run.ts'
import type { Shared } from '../scene.ts'
import { transportNamed } from '../transports/transports.ts'
import { type Mutation, mutationVariable } from './mutation.ts'
import { countsOf, type Outcome } from './outcome.ts'

const refused = 'refused replays'
const runSeconds = 8
const mostTries = 3
const defaultHaste = 6
/** What a bug has lost will not come any more. A machine that is busy only takes its time. */
const drainWithinMs = 60_000
const defaultStalledMs = 3_500

const small = { producers: 1, relays: 2, consumersPerGroup: 2, sagaWorkers: 1 } as const

export interface TryRequest {
  readonly seed: number
  readonly shared: Shared
  readonly output: ProgressOutput
}

/** Runs with the bug until it is noticed, a few times at most: some need a process to die at a moment of theirs. */
export async function tryMutation(mutation: Mutation, request: TryRequest, stop: AbortSignal): Promise<Outcome> {
  const beganMs = performance.now()
  const by: Record<string, number> = {}
  for (let tries = 1; ; tries++) {
    const found = await noticed(mutation, runWith(mutation, { ...request, seed: request.seed + tries - 1 }, stop))
    Object.assign(by, found)
    const caught = [...mutation.caughtBy, refused].some((kind) => (found[kind] ?? 0) > 0)
    if (caught || tries === mostTries) {
      return { name: mutation.name, caught, by, tries, seconds: (performance.now() - beganMs) / 1_000 }
    }
  }
}

/** What the run found, or that the product refused to go on. */
async function noticed(
  { isRefused }: Mutation,
  running: Promise<Readonly<Record<string, number>>>,
): Promise<Readonly<Record<string, number>>> {
  try {
    return await running
  } catch (error) {
    if (isRefused === true && error instanceof ReplayRefusedError) return { [refused]: 1 }
    throw error
  }
}

async function runWith(
  mutation: Mutation,
  { seed, shared, output }: TryRequest,
  stop: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const { faults: names = [], victims, haste = defaultHaste, stalledMs = defaultStalledMs, name } = mutation
  const plant = new URL(import.meta.url.endsWith('.ts') ? './plant.ts' : './plant.js', import.meta.url)
  const transport = transportNamed(mutation.transport ?? 'postgres')
  const { findings } = await run(
    {
      transport,
      plan: planOf(mutation),
      seed,
      seconds: runSeconds,
      faults: faultsOf(transport).filter((fault) => names.includes(fault.name)),
      allFaults: false,
      haste,
      messages: 1,
      drainLimits: { withinMs: drainWithinMs, stalledMs },
      nodeArguments: [...process.execArgv, '--import', plant.href],
      env: { [mutationVariable]: name },
      shared,
      output,
      ...(victims === undefined ? {} : { victims }),
    },
    stop,
  )
  return countsOf(findings)
}

function planOf({ workload, settings, sizes }: Mutation): Plan {
  return {
    workload: { ...defaultPlan.workload, ratePerSecond: 100, ...workload },
    // Attempts are spent sooner, so that what has to die does.
    settings: { ...defaultPlan.settings, leaseMs: 1_000, attempts: 5, sagaTimeoutMs: 1_000, ...settings },
    sizes: { ...small, ...sizes },
  }
}
