import { alone, type Fault, mayEndOne, pickPlace } from './fault.ts'

const drainWithinMs = 15_000

/** A process is asked to end, drains, and is followed by another. */
export const terminate: Fault = {
  name: 'term',
  perRun: 7,
  async strike(world, random) {
    const place = mayEndOne(world) ? pickPlace(world, random) : undefined
    if (place === undefined) return undefined
    await alone(place, () => place.terminate(drainWithinMs, random.between(20, 200)))
    return `asked ${place.name} to end`
  },
}
