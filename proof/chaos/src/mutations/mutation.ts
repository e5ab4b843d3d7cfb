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
  /** How many times as often as in a full run faults happen. Default 6. */
  readonly haste?: number
}

/** A bug that only a broker can have, to be planted together with its transport. */
export interface BrokerMutation {
  readonly name: string
  readonly transport: string
}

/** What an environment variable tells a process to plant. */
export const mutationVariable = 'CHAOS_MUTATION'
