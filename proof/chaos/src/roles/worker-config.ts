import type { GroupName, Plan } from '../plan.ts'

export type Role = 'producer' | 'relay' | 'consumer' | 'saga'

/** All that a process of the run is told, as JSON in its environment. */
export interface WorkerConfig {
  /** The place it takes in the run; a process that comes after a killed one has its name. */
  readonly name: string
  readonly role: Role
  readonly group: GroupName
  readonly seed: number
  /** How many processes have had this name before. */
  readonly incarnation: number
  readonly transport: string
  /** How many nodes the broker has. */
  readonly nodes: number
  readonly storeUrl: string
  readonly transportUrl: string
  /** Where it writes what happens in it, a JSON object a line. */
  readonly log: string
  readonly plan: Plan
  /** When the producers began, ms since the epoch: what they aim at follows from it. */
  readonly startedAtMs: number
  /** How long they write at their full rate. */
  readonly seconds: number
}

export const configVariable = 'CHAOS_WORKER'

export function readConfig(text: string | undefined): WorkerConfig {
  if (text === undefined) throw new Error(`${configVariable} is not set: this program is started by the chaos run`)
  return JSON.parse(text) as WorkerConfig
}
