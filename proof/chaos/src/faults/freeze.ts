import { alone, type Fault, pickPlace } from './fault.ts'

/** A process stands still until its leases are over, and then goes on as if nothing had been. */
export const freeze: Fault = {
  name: 'stop',
  perRun: 6,
  async strike(world, random) {
    const place = pickPlace(world, random, ({ role }) => role !== 'producer')
    if (place === undefined) return undefined
    const frozenMs = world.settings.leaseMs * random.between(1.1, 1.6)
    await alone(place, async () => {
      place.freeze()
      await world.pause(frozenMs)
      place.thaw()
    })
    return `froze ${place.name} for ${Math.round(frozenMs)} ms`
  },
}
