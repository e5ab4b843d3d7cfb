import { messageOf } from '@acuse/core'

/** One promise of a port, as an experiment. Rejects when the promise is broken. */
export interface Case<World> {
  readonly name: string
  /** It stops the server, and with it whatever else runs on it. */
  readonly restartsServer?: true
  run(world: World): Promise<void>
}

/** Thrown by a case that needs what the adapter says it cannot give: reported by name, never as a pass. */
export class UnsupportedPromise extends Error {
  constructor(promise: string) {
    super(promise)
    this.name = 'UnsupportedPromise'
  }
}

export type Outcome = 'kept' | { readonly unsupported: string }

/** Runs one case and ends its world, also when it fails. Rejects with what the case found, or when it takes longer than `limitMs` of real time. */
export async function runCase<World extends { end(): Promise<void> }>(
  tested: Case<World>,
  world: World,
  limitMs: number,
): Promise<Outcome> {
  const [ran] = await Promise.allSettled([within(tested.run(world), limitMs)])
  const [ended] = await Promise.allSettled([within(world.end(), limitMs)])
  // What the case found says more than that cleaning up failed after it.
  const failed = ran.status === 'rejected' ? ran : ended
  if (failed.status === 'fulfilled') return 'kept'
  if (failed.reason instanceof UnsupportedPromise) return { unsupported: failed.reason.message }
  throw new Error(`${tested.name}: ${messageOf(failed.reason)}`, { cause: failed.reason })
}

async function within<R>(work: Promise<R>, limitMs: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
