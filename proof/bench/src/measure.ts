import type { ActorName } from './actors/actors.ts'
import type { Remote } from './actors/remote.ts'
import type { Counted } from './contestants/contestant.ts'
import type { BenchOptions } from './options.ts'
import type { ProcessorTime } from './processor-time.ts'
import { median, type Spread } from './statistics.ts'

export type Reach = { readonly atLeast: number } | { readonly below: number }
export type Unit = 'times' | 'ms' | 'MB'

/** One line of the result. */
export interface Row {
  readonly measure: string
  readonly what: string
  /** What it is compared with, for ratios. */
  readonly against?: string
  readonly unit: Unit
  readonly value: Spread
  readonly reach: Reach
  /** What was measured on the way, by name: messages a second unless the name says otherwise. */
  readonly figures: Readonly<Record<string, number>>
  /** By name, what a message cost: where a rate is missed, this is where its time went. */
  readonly costs?: Readonly<Record<string, Cost>>
  /** What each figure includes. */
  readonly includes: string
}

/** Processor time a message, µs: the median over the rounds. */
export interface Cost {
  /** In the contestant's processes. */
  readonly client: number
  /** In those of PostgreSQL. */
  readonly server: number
  /** In the broker's; 0 where none is measured. */
  readonly broker: number
}

export interface Alternated<Name extends string> {
  readonly rates: Readonly<Record<Name, readonly number[]>>
  readonly costs: Readonly<Record<string, Cost>>
}

export interface Measure {
  readonly name: string
  /** Takes many minutes: only when named, or with `--full`. */
  readonly long?: true
  run(bench: Bench): Promise<readonly Row[]>
}

export interface StartOptions {
  /** Node's own arguments for it. */
  readonly node?: readonly string[]
  /** Its place on the broker that is measured; default: named as its database. */
  readonly place?: string
}

/** What measures work with. */
export interface Bench {
  readonly options: BenchOptions
  /** The length of one slice, ms. */
  readonly sliceMs: number
  /** What contestants and server have used so far. */
  processorTime(): ProcessorTime
  /** A database on the server all share; made if there is none. */
  database(name: string): Promise<string>
  /** An actor in a process of its own, on a database of that name. Closed after the measure if it was not before. */
  start<Name extends ActorName>(name: Name, database: string, options?: StartOptions): Promise<Remote<Name>>
  /** Says on standard error what is going on. */
  say(text: string): void
}

export function isReached({ reach, value }: Pick<Row, 'reach' | 'value'>): boolean {
  return 'atLeast' in reach ? value.median >= reach.atLeast : value.median < reach.below
}

/**
 * Runs slices in turn, A B C A B C …, one round more than counts: the first warms up. Gives each one's messages a second, by round,
 * and the processor time that a message cost.
 */
export async function alternate<Name extends string>(
  bench: Bench,
  slices: Readonly<Record<Name, () => Promise<Counted>>>,
  prepare: () => Promise<void> = async () => undefined,
): Promise<Alternated<Name>> {
  const names = Object.keys(slices) as Name[]
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  const costs = new Map(names.map((name) => [name, [] as Cost[]]))
  for (let round = 0; round <= bench.options.rounds; round++) {
    await prepare()
    const said: string[] = []
    for (const name of names) {
      const before = bench.processorTime()
      const beganMs = performance.now()
      const { count, ms, all } = await slices[name]()
      const perMs = count / ms
      // Where it is not known how many came while it warmed up: as if they came as fast then.
      const handled = all ?? (performance.now() - beganMs) * perMs
      said.push(`${name} ${Math.round(perMs * 1_000)}/s`)
      if (round === 0) continue
      rates[name].push(perMs * 1_000)
      costs.get(name)?.push(costOf(before, bench.processorTime(), handled))
    }
    bench.say(`  ${round === 0 ? 'warm-up' : `round ${round}`}: ${said.join(', ')}`)
  }
  return { rates, costs: Object.fromEntries([...costs].map(([name, ofRounds]) => [name, medianCost(ofRounds)])) }
}

function costOf(before: ProcessorTime, after: ProcessorTime, messages: number): Cost {
  const each = (spentMs: number): number => (spentMs * 1_000) / messages
  return {
    client: each(after.client - before.client),
    server: each(after.server - before.server),
    broker: each(after.broker - before.broker),
  }
}

function medianCost(costs: readonly Cost[]): Cost {
  return {
    client: median(costs.map(({ client }) => client)),
    server: median(costs.map(({ server }) => server)),
    broker: median(costs.map(({ broker }) => broker)),
  }
}
