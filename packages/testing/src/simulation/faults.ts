import type { ServerName } from './link.ts'
import type { SimulationRandom } from './random.ts'

interface Aimed {
  /** From the start of the simulation, ms. */
  readonly atMs: number
  /** A process, e.g. `orders/2`. */
  readonly process: string
}

/**
 * Something that goes wrong at a time. `calls` lets it wait for that many calls of the process to its servers and strike in the
 * middle of the next one: before its request leaves, or after the server has done it and before the answer is there.
 */
export type Fault =
  /** The process ends, and starts again `downMs` later. */
  | (Aimed & {
      readonly kind: 'crash'
      readonly calls: number
      readonly phase: 'before' | 'after'
      readonly downMs: number
    })
  /** The process stands still. */
  | (Aimed & {
      readonly kind: 'pause'
      readonly calls: number
      readonly phase: 'before' | 'after'
      readonly forMs: number
    })
  /** It is drained and started anew, as in a deployment. */
  | (Aimed & { readonly kind: 'restart' })
  /** Its connections to a server break, and none can be made for a while. */
  | (Aimed & { readonly kind: 'cut'; readonly server: ServerName; readonly forMs: number })
  /** What it sends to a server, and what comes back, takes up to `mostMs`. */
  | (Aimed & { readonly kind: 'slow'; readonly server: ServerName; readonly mostMs: number; readonly forMs: number })
  /** Its own clock jumps. */
  | (Aimed & { readonly kind: 'clock'; readonly byMs: number })
  /** The transport restarts: all that is not settled is delivered again. */
  | { readonly kind: 'redeliver'; readonly atMs: number }
  /** A transaction of a service fails at COMMIT and has to be repeated. */
  | { readonly kind: 'conflict'; readonly atMs: number; readonly service: string }

export type FaultKind = Fault['kind']

export const faultKinds: readonly FaultKind[] = [
  'crash',
  'pause',
  'restart',
  'cut',
  'slow',
  'clock',
  'redeliver',
  'conflict',
]

export interface FaultSettings {
  readonly kinds: readonly FaultKind[]
  readonly perDay: number
  readonly lastsMs: number
  /** By name, e.g. `orders/2`. */
  readonly processes: readonly string[]
  readonly services: readonly string[]
}

const dayMs = 86_400_000

/** What goes wrong under a seed, by time. Each seed leaves some kinds out, for two kinds that hide each other. */
export function drawFaults(random: SimulationRandom, settings: FaultSettings): readonly Fault[] {
  const { kinds, perDay, lastsMs, processes } = settings
  const chosen = kinds.filter(() => random.chance(0.7))
  const count = Math.ceil((perDay * lastsMs) / dayMs)
  if (chosen.length === 0 || processes.length === 0) return []
  const faults = Array.from({ length: count }, () => drawFault(random, random.pick(chosen), settings))
  return faults.toSorted((one, other) => one.atMs - other.atMs)
}

function drawFault(random: SimulationRandom, kind: FaultKind, settings: FaultSettings): Fault {
  const atMs = random.integer(0, settings.lastsMs)
  if (kind === 'redeliver') return { kind, atMs }
  if (kind === 'conflict') return { kind, atMs, service: random.pick(settings.services) }
  const process = random.pick(settings.processes)
  const calls = random.integer(0, 60)
  const phase = random.pick(['before', 'after'] as const)
  const server = random.pick(['database', 'transport'] as const)
  switch (kind) {
    case 'crash':
      return { kind, atMs, process, calls, phase, downMs: random.integer(100, 120_000) }
    case 'pause':
      return { kind, atMs, process, calls, phase, forMs: random.integer(1_000, 120_000) }
    case 'restart':
      return { kind, atMs, process }
    case 'cut':
      return { kind, atMs, process, server, forMs: random.integer(500, 180_000) }
    case 'slow':
      return {
        kind,
        atMs,
        process,
        server,
        mostMs: random.pick([200, 5_000, 60_000]),
        forMs: random.integer(1_000, 600_000),
      }
    case 'clock':
      break
  }
  return { kind, atMs, process, byMs: random.integer(-2, 2) * dayMs + random.integer(-3_600_000, 3_600_000) }
}
