import type { CrashPoint } from '@acuse/core'
import type { Random } from '../random.ts'
import type { Place } from '../processes/place.ts'
import { aloneWith, type Fault, freePlaces, mayEndOne, pickPlace, type World } from './fault.ts'
import { passedWhen, rolesAt } from './point-book.ts'

/** What is passed seldom, as the burying of a message, may take its time. */
const diesWithinMs = 8_000
const lookEveryMs = 25
/** The first try dies at the first pass; later ones may let some passes go by. */
const mostPasses = 20
const drainWithinMs = 15_000

/** A process dies at one of the crash points: the one at which fewest have died so far. */
export const crash: Fault = {
  name: 'crash-points',
  // Each point once, and room for those that are missed at first.
  perRun: 130,
  // What is waited for may be passed seldom: others die meanwhile.
  atOnce: 5,
  async strike(world, random) {
    const point = mayEndOne(world) ? world.points.begin(random) : undefined
    if (point === undefined) return undefined
    try {
      return await dieAt(world, random, point)
    } finally {
      world.points.finish(point)
    }
  },
}

async function dieAt(world: World, random: Random, point: CrashPoint): Promise<string | undefined> {
  const deaths = world.points.deathsAt(point)
  const victims = pickVictims(world, random, point)
  const [first] = victims
  if (first === undefined) return undefined
  const crashAt = `${point}:${deaths === 0 ? 1 : random.whole(1, mostPasses)}`
  const died = (): boolean => world.points.deathsAt(point) > deaths
  await aloneWith(victims, async () => {
    const when = passedWhen(point)
    if (when === 'starting') await first.kill(20, { CRASH_AT: crashAt })
    else for (const victim of victims) victim.arm(crashAt)
    if (when === 'ending') await first.terminate(drainWithinMs, 20)
    await waitFor(world, died)
    for (const victim of victims) victim.disarm()
  })
  return died() ? `a process died at ${crashAt}` : undefined
}

/**
 * One of those that pass the point; all but one where nobody came by at an earlier try. That one may die of something else meanwhile, as
 * what it leaves behind may be what the point is passed with.
 */
function pickVictims(world: World, random: Random, point: CrashPoint): readonly Place[] {
  const roles = rolesAt(point)
  const place = pickPlace(world, random, ({ role }) => roles.includes(role))
  if (place === undefined) return []
  if (passedWhen(point) !== 'running' || !world.points.isSeldom(point)) return [place]
  const others = freePlaces(world, (other) => other !== place && roles.includes(other.role))
  return others.length === 0 ? [place] : others
}

async function waitFor(world: World, condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < diesWithinMs && !world.over.aborted; waitedMs += lookEveryMs) {
    if (condition()) return
    await world.pause(lookEveryMs)
  }
}
