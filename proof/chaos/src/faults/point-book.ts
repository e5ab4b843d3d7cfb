import { type CrashPoint, crashPoints } from '@acuse/core'
import type { Random } from '../random.ts'
import type { Role } from '../roles/worker-config.ts'

/** Where each part of the product runs. */
const rolesByPart: Readonly<Record<string, readonly Role[]>> = {
  publish: ['producer', 'saga'],
  relay: ['relay', 'saga'],
  consumer: ['consumer', 'saga'],
  external: ['consumer'],
  parked: ['consumer', 'saga'],
  saga: ['saga'],
  scheduler: ['producer', 'relay'],
  cron: ['producer'],
  inbox: ['consumer', 'saga', 'producer'],
  transport: ['consumer', 'saga'],
  log: ['consumer', 'relay', 'saga'],
}

/** Points that not every process of a part passes. */
const rolesByPoint: Partial<Record<CrashPoint, readonly Role[]>> = {
  'publish.beforeAppend': ['producer'],
  'publish.afterAppend': ['producer'],
  'publish.beforeCommit': ['producer'],
  'publish.afterCommit': ['producer'],
  'relay.beforeBury': ['relay'],
  'relay.afterBury': ['relay'],
  'consumer.beforePark': ['consumer'],
  'consumer.afterPark': ['consumer'],
  'consumer.beforeBury': ['consumer'],
  'consumer.afterBury': ['consumer'],
  'consumer.beforeParkBehind': ['consumer'],
  'consumer.afterParkBehind': ['consumer'],
  'parked.beforeReschedule': ['consumer'],
  'parked.afterReschedule': ['consumer'],
  'parked.beforeBury': ['consumer'],
  'parked.afterBury': ['consumer'],
  'transport.beforeSend': ['relay'],
  'transport.afterConfirm': ['relay'],
  'log.beforePublish': ['relay'],
  'log.afterPublish': ['relay'],
  'log.beforeNotify': ['producer'],
  'log.afterNotify': ['producer'],
  'log.beforeTick': ['producer', 'relay', 'consumer'],
  'log.afterTick': ['producer', 'relay', 'consumer'],
  'log.beforeRotate': ['producer', 'relay', 'consumer'],
  'log.afterRotate': ['producer', 'relay', 'consumer'],
  'log.beforeEmpty': ['producer', 'relay', 'consumer'],
  'log.afterEmpty': ['producer', 'relay', 'consumer'],
}

/** Passed only while a process starts. */
const atStart: readonly CrashPoint[] = [
  'inbox.beforePurge',
  'inbox.afterPurge',
  'transport.beforeConsume',
  'transport.afterConsume',
]
/** Passed only while a process ends in order. */
const atEnd: readonly CrashPoint[] = [
  'log.beforeLeave',
  'log.afterLeave',
  'transport.beforeStop',
  'transport.afterStop',
]

/** Passed only where a destination takes nothing for long, or when the relay's dead letters are replayed: no run does that. */
const inNoRun: ReadonlySet<CrashPoint> = new Set<CrashPoint>([
  'relay.beforePark',
  'relay.afterPark',
  'relay.beforeSettle',
  'relay.afterSettle',
])

/** Whether a run can come there at all. */
export function isInRuns(point: CrashPoint): boolean {
  return !inNoRun.has(point)
}

/** Keeps count of the crash points at which a process has died. */
export class PointBook {
  readonly #points: readonly CrashPoint[]
  readonly #hits: Map<CrashPoint, number>
  readonly #tried = new Map<CrashPoint, number>()
  readonly #trying = new Set<CrashPoint>()

  /** Of the points that the processes of the run can pass. */
  constructor(passes: (point: CrashPoint) => boolean = () => true) {
    this.#points = crashPoints.filter(passes)
    this.#hits = new Map(this.#points.map((point) => [point, 0]))
  }

  get total(): number {
    return this.#hits.size
  }

  get hit(): number {
    return [...this.#hits.values()].filter((hits) => hits > 0).length
  }

  get missing(): readonly CrashPoint[] {
    return this.#points.filter((point) => this.#hits.get(point) === 0)
  }

  /** A process died there. */
  died(name: string): void {
    const point = this.#points.find((one) => one === name)
    if (point !== undefined) this.#hits.set(point, (this.#hits.get(point) ?? 0) + 1)
  }

  deathsAt(point: CrashPoint): number {
    return this.#hits.get(point) ?? 0
  }

  /** One at which fewest have died, of those the one tried least; nobody else is given it until `finish`. */
  begin(random: Random): CrashPoint | undefined {
    const free = this.#points.filter((point) => !this.#trying.has(point))
    const weight = (point: CrashPoint): number => this.deathsAt(point) * 1_000 + (this.#tried.get(point) ?? 0)
    const least = Math.min(...free.map(weight))
    const point = random.pick(free.filter((one) => weight(one) === least))
    if (point === undefined) return undefined
    this.#tried.set(point, (this.#tried.get(point) ?? 0) + 1)
    this.#trying.add(point)
    return point
  }

  /** Whether it was tried before, and nobody died at it. */
  isSeldom(point: CrashPoint): boolean {
    return this.deathsAt(point) === 0 && (this.#tried.get(point) ?? 0) > 1
  }

  finish(point: CrashPoint): void {
    this.#trying.delete(point)
  }
}

export function rolesAt(point: CrashPoint): readonly Role[] {
  return rolesByPoint[point] ?? rolesByPart[point.split('.')[0] ?? ''] ?? []
}

export function passedWhen(point: CrashPoint): 'running' | 'starting' | 'ending' {
  if (atStart.includes(point)) return 'starting'
  return atEnd.includes(point) ? 'ending' : 'running'
}
