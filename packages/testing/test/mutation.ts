import { type Case, runCase } from '../src/conformance/case.ts'

/** The cases that a broken implementation fails: there has to be at least one. Stops at the first. */
export async function caughtBy<World extends { end(): Promise<void> }>(
  cases: readonly Case<World>[],
  makeWorld: () => World,
  limitMs = 1_500,
): Promise<readonly string[]> {
  for (const tested of cases) {
    try {
      await runCase(tested, makeWorld(), limitMs)
    } catch {
      return [tested.name]
    }
  }
  return []
}

/** Virtual time costs nothing, but a mutant that never delivers makes every wait run to its end. */
export const impatient = { patienceMs: 500, quietMs: 100, ackStoredMs: 100 }
