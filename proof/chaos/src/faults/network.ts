import type { ProxyFault } from '@acuse/testing'
import type { Link } from '../processes/links.ts'
import type { Random } from '../random.ts'
import type { Fault, World } from './fault.ts'

const perRun = 6

/** A fault of one link that lasts for a time. */
function lasting(name: string, make: (random: Random) => ProxyFault, lowMs: number, highMs: number): Fault {
  return {
    name,
    perRun,
    async strike(world, random) {
      const link = pickLink(world, random)
      if (link === undefined) return undefined
      const forMs = random.between(lowMs, highMs)
      link.proxy.set(make(random))
      await world.pause(forMs)
      link.proxy.set({ kind: 'pass' })
      return `${name} of ${link.name} for ${Math.round(forMs)} ms`
    },
  }
}

function momentary(name: string, act: (link: Link) => void): Fault {
  return {
    name,
    perRun,
    async strike(world, random) {
      const link = pickLink(world, random)
      if (link === undefined) return undefined
      act(link)
      return `${name} of ${link.name}`
    },
  }
}

/** A link that is in use; a connection that nobody has cannot be broken. */
function pickLink({ links }: World, random: Random): Link | undefined {
  return random.pick(links.filter(({ proxy }) => proxy.connections > 0))
}

export const networkFaults: readonly Fault[] = [
  momentary('net-reset', ({ proxy }) => proxy.reset()),
  momentary('net-half-close', ({ proxy }) => proxy.halfClose()),
  lasting('net-black-hole-to-server', () => ({ kind: 'black-hole', towards: 'server' }), 500, 3_000),
  lasting('net-black-hole-to-client', () => ({ kind: 'black-hole', towards: 'client' }), 500, 3_000),
  lasting('net-delay', (random) => ({ kind: 'delay', delayMs: random.whole(10, 150) }), 1_000, 3_000),
  lasting('net-slices', () => ({ kind: 'slices' }), 300, 1_000),
]
