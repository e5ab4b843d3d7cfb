import { alone, type Fault, mayEndOne, pickPlace } from './fault.ts'

/** A process is killed, and followed by another. */
export const kill: Fault = {
  name: 'kill',
  // One every 2 s, between 1 and 3.
  perRun: 60,
  async strike(world, random) {
    const place = mayEndOne(world) ? pickPlace(world, random) : undefined
    if (place === undefined) return undefined
    await alone(place, () => place.kill(random.between(20, 400)))
    return `killed ${place.name}`
  },
}
