import type { World } from './world.ts'

/** How large an experiment is: numbers by name, so that each can be said on the command line. */
export type Size = Readonly<Record<string, number>>

export interface Result {
  /** What was measured. Times are in ms and sizes in MB where the name says so. */
  readonly figures: Readonly<Record<string, number>>
  /** What the guarantee says and was not so; empty when it holds. */
  readonly broken: readonly string[]
}

/** A guarantee's number and the experiment that shows it, at a size for every run of the tests and at the size that counts. */
export interface Experiment<Sizes extends Size = Size> {
  readonly name: string
  /** A sentence about the product. */
  readonly title: string
  readonly small: Sizes
  readonly whole: Sizes
  run(world: World, size: Sizes): Promise<Result>
}

/** Keeps the type of its sizes while it is written; whoever runs it only knows that they are numbers. */
export function experiment<Sizes extends Size>(one: Experiment<Sizes>): Experiment {
  return { ...one, run: (world, size) => one.run(world, { ...one.small, ...size }) }
}

/** Collects what does not hold. */
export class Findings {
  readonly broken: string[] = []

  /** Notes `what` unless `holds`. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.broken.push(what)
  }

  equal(what: string, found: number, wanted: number): void {
    this.expect(found === wanted, `${what}: ${found}, not ${wanted}`)
  }
}

/** The value below which this part of them lies; 0 of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
