import type { Findings } from '../checker.ts'
import type { Settings, Sizes, Workload } from '../plan.ts'
import type { Role } from '../roles/worker-config.ts'

/** One place to be changed. The text has to be there exactly once. */
export interface Edit {
  /** A source file or migration of a package: `core/src/relay.ts`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** A bug planted in a copy of the product, and the run that has to notice it. */
export interface Mutation {
  readonly name: string
  /** Default: postgres. */
  readonly transport?: string
  readonly edits: readonly Edit[]
  /** What has to be found; one of them is enough. */
  readonly caughtBy: readonly (keyof Findings)[]
  /** Whether the product itself may notice, by refusing to run the dead letters again. */
  readonly isRefused?: true
  /** Names of faults; none where the bug shows without. */
  readonly faults?: readonly string[]
  /** The only processes that faults happen to. */
  readonly victims?: readonly Role[]
  readonly workload?: Partial<Workload>
  readonly settings?: Partial<Settings>
  readonly sizes?: Partial<Sizes>
  /** The end is given up when nothing has changed for so long. Default 3,500. */
  readonly stalledMs?: number
  /** How many times as often as in a full run faults happen. Default 6. */
  readonly haste?: number
}

/** What an environment variable tells a process to plant. */
export const mutationVariable = 'CHAOS_MUTATION'
