import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '@acuse/core'
import type { Fault, World } from './faults/fault.ts'
import { createRandom } from './random.ts'

const fullRunMs = 120_000
/** How soon what could not happen is tried again: there was no process up for it, or no connection. */
const tryAgainMs = 100

export interface ControllerOptions {
  readonly faults: readonly Fault[]
  readonly seed: number
  readonly world: World
  /** Happens more often than in a full run by this factor. */
  readonly haste: number
  readonly onFault: (fault: Fault, what: string) => void
}

/** Lets each kind of fault happen at its own pace, in an order that the seed decides, until `world.over`. */
export async function letFaultsHappen(options: ControllerOptions): Promise<void> {
  await Promise.all(
    options.faults.flatMap((fault) =>
      Array.from({ length: fault.atOnce ?? 1 }, (_, line) => repeat(options, fault, line)),
    ),
  )
}

/** Each line has numbers of its own, so that its pace changes nothing about the others. */
async function repeat({ seed, world, haste, onFault }: ControllerOptions, fault: Fault, line: number): Promise<void> {
  const random = createRandom(seed, `${fault.name}/${line}`)
  const everyMs = ((fullRunMs / fault.perRun) * (fault.atOnce ?? 1)) / haste
  // What is rare keeps to its pace, so that a run has enough of it.
  const jitter = fault.perRun < 10 ? 0.15 : 0.5
  await world.pause(everyMs * random.between(0, 0.6))
  while (!world.over.aborted) {
    const beganMs = performance.now()
    const waitMs = everyMs * random.between(1 - jitter, 1 + jitter)
    const what = await strike(fault, world, random)
    if (what === undefined) {
      await world.pause(tryAgainMs)
      continue
    }
    onFault(fault, what)
    await world.pause(waitMs - (performance.now() - beganMs))
  }
}

async function strike(
  fault: Fault,
  world: World,
  random: ReturnType<typeof createRandom>,
): Promise<string | undefined> {
  try {
    return await fault.strike(world, random)
  } catch (error) {
    if (!world.over.aborted) world.note(`${fault.name} could not happen: ${messageOf(error)}`)
    return undefined
  }
}

/** Waits, at most until `over`. */
export async function pauseUntil(over: AbortSignal, ms: number): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal: over }).catch(() => undefined)
}
