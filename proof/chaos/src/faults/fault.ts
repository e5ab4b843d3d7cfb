import type { EmbeddedServer } from '@acuse/postgres/embedded'
import type { Link } from '../processes/links.ts'
import type { Place } from '../processes/place.ts'
import type { Random } from '../random.ts'
import type { Settings } from '../plan.ts'
import type { RunningBroker } from '../transports/transport.ts'
import type { PointBook } from './point-book.ts'

/** What faults happen to. */
export interface World {
  /** Those that faults may happen to. */
  readonly places: readonly Place[]
  readonly links: readonly Link[]
  readonly server: EmbeddedServer
  readonly broker: RunningBroker
  readonly points: PointBook
  readonly settings: Settings
  /** Aborts when the faults are over: what a fault has broken is mended at once then. */
  readonly over: AbortSignal
  /** One at a time does something to the server as a whole. */
  readonly serverTurn: (work: () => Promise<void>) => Promise<void>
  /** The same of the broker. */
  readonly brokerTurn: (work: () => Promise<void>) => Promise<void>
  /** Waits, at most until the faults are over. */
  readonly pause: (ms: number) => Promise<void>
  readonly note: (text: string) => void
}

/** One kind of fault. */
export interface Fault {
  readonly name: string
  /** How often at least in a run of 120 s. */
  readonly perRun: number
  /** How many of it may be under way at once. Default 1. */
  readonly atOnce?: number
  /** Lets it happen once, and mends what has to be mended. Gives what happened in words, or undefined where nothing could. */
  strike(world: World, random: Random): Promise<string | undefined>
}

/** The least of each kind in a full run. */
export const leastPerRun = 5

/**
 * The most of the processes that may be down because they were ended. On a slow machine a start takes seconds, and where nearly all are
 * starting nothing is under way that could be lost.
 */
const mostDownPart = 0.25

/** Whether one more process may be ended. */
export function mayEndOne({ places }: { readonly places: readonly Pick<Place, 'state'>[] }): boolean {
  return places.filter(({ state }) => state !== 'up').length < Math.max(1, places.length * mostDownPart)
}

/** The processes that nothing is being done to now. */
export function freePlaces({ places }: World, fits: (place: Place) => boolean = () => true): readonly Place[] {
  return places.filter((place) => place.state === 'up' && !place.busy && fits(place))
}

export function pickPlace(world: World, random: Random, fits?: (place: Place) => boolean): Place | undefined {
  return random.pick(freePlaces(world, fits))
}

/** Does something to a process that nothing else is done to meanwhile. */
export async function alone(place: Place, deed: () => Promise<void>): Promise<void> {
  await aloneWith([place], deed)
}

export async function aloneWith(places: readonly Place[], deed: () => Promise<void>): Promise<void> {
  for (const place of places) place.busy = true
  try {
    await deed()
  } finally {
    for (const place of places) place.busy = false
  }
}
