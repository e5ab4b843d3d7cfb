import { join } from 'node:path'
import { type GroupName, groups, type Plan } from './plan.ts'
import { type EndCounts, Place } from './processes/place.ts'
import type { Standing } from './roles/parent.ts'
import type { Role, WorkerConfig } from './roles/worker-config.ts'
import type { Scene, Service } from './scene.ts'

export interface FleetOptions {
  readonly plan: Plan
  readonly scene: Scene
  readonly seed: number
  /** How long the producers write at their full rate. */
  readonly seconds: number
  readonly transport: string
  /** Node's own arguments for every process. */
  readonly nodeArguments: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly note: (text: string) => void
  readonly onPoint: (point: string) => void
}

const startWithinMs = 60_000
const lookEveryMs = 25
const drainWithinMs = 20_000

/** All processes of a run. */
export class Fleet {
  readonly places: readonly Place[]
  readonly counts: EndCounts = { kills: 0, drained: 0, notDrained: 0, unexpected: 0 }
  #startedAtMs = Date.now()

  private constructor(places: (fleet: Fleet) => readonly Place[]) {
    this.places = places(this)
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    const seats = await withUrls(seatsOf(options.plan), options.scene)
    return new Fleet((fleet) => seats.map((seat) => placeOf(seat, options, fleet)))
  }

  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Starts those who only react, and then those who write. */
  async start(firstEnv: Readonly<Record<string, string>>): Promise<void> {
    const producers = this.#of('producer')
    const others = this.places.filter(({ role }) => role !== 'producer')
    // The first compiles what the others then find.
    for (const places of [others.slice(0, 1), others.slice(1)]) {
      for (const place of places) place.start(firstEnv)
      await untilUp(places)
    }
    this.#startedAtMs = Date.now()
    for (const place of producers) place.start(firstEnv)
    await untilUp(producers)
  }

  /** The faults are over, and nothing more is published. Settles when all are up. */
  async calm(): Promise<void> {
    for (const place of this.places) place.calm()
    await untilUp(this.places)
  }

  /** What waits and what is dead in a service. */
  async standing(service: Service): Promise<Standing> {
    return this.#any(service).standing()
  }

  /** Handlers fail no more, and the dead letters run again. Gives how many. */
  async replay(group: GroupName): Promise<number> {
    const members = this.places.filter((place) => place.role === 'consumer' && place.group === group)
    await Promise.all(members.map((place) => place.cure()))
    return this.#any(group).replay()
  }

  async stop(): Promise<void> {
    await Promise.all(this.places.map((place) => place.stop(drainWithinMs)))
  }

  /** For a controller that is exiting itself, or has been told to stop at once. */
  killNow(): void {
    for (const place of this.places) place.killNow()
  }

  #of(role: Role): readonly Place[] {
    return this.places.filter((place) => place.role === role)
  }

  #any(service: Service): Place {
    const place = this.places.find((one) => one.state === 'up' && serviceOf(one) === service && one.role !== 'producer')
    if (place === undefined) throw new Error(`no process of ${service} is up`)
    return place
  }
}

async function untilUp(places: readonly Place[]): Promise<void> {
  const endsAt = performance.now() + startWithinMs
  while (places.some(({ state }) => state !== 'up')) {
    if (performance.now() > endsAt) {
      const down = places.filter(({ state }) => state !== 'up').map(({ name }) => name)
      throw new Error(`${down.join(', ')} did not come up within ${startWithinMs} ms`)
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}

/** Who sits where. */
interface Seat {
  readonly name: string
  readonly role: Role
  readonly group: GroupName
}

function seatsOf({ sizes }: Plan): Seat[] {
  const seats = (role: Role, name: string, count: number, group: GroupName = 'a'): Seat[] =>
    Array.from({ length: count }, (_, index) => ({ name: `${name}-${index + 1}`, role, group }))
  return [
    ...seats('producer', 'producer', sizes.producers),
    ...seats('relay', 'relay', sizes.relays),
    ...groups.flatMap((group) => seats('consumer', `consumer-${group}`, sizes.consumersPerGroup, group)),
    ...seats('saga', 'saga', sizes.sagaWorkers),
  ]
}

function serviceOf({ role, group }: Pick<Seat, 'role' | 'group'>): Service {
  if (role === 'consumer') return group
  return role === 'saga' ? 'saga' : 'producer'
}

interface SeatWithUrls extends Seat {
  readonly storeUrl: string
  readonly transportUrl: string
}

/** The first process of each kind reaches its servers through proxies: for all of them that would cost more than half a core. */
function isProxied({ name }: Seat): boolean {
  return name.endsWith('-1')
}

/** How many processes of a plan reach their servers through proxies. */
export function countProxied(plan: Plan): number {
  return seatsOf(plan).filter(isProxied).length
}

async function withUrls(seats: readonly Seat[], scene: Scene): Promise<SeatWithUrls[]> {
  const proxied = seats.filter(isProxied)
  const made: SeatWithUrls[] = []
  for (const [n, seat] of seats.entries()) {
    const ports = isProxied(seat) ? await proxiesOf(seat, proxied.indexOf(seat), scene) : portsOf(scene)
    const transportUrl = scene.broker.urlAt(turned(ports.transport, n))
    const storeUrl = Object.assign(new URL(scene.storeUrl(serviceOf(seat))), { port: String(ports.store) }).href
    made.push({ ...seat, transportUrl, storeUrl })
  }
  return made
}

interface Ports {
  readonly store: number
  /** One a node. */
  readonly transport: readonly number[]
}

function portsOf({ server, broker }: Scene): Ports {
  return { store: server.port, transport: broker.ports }
}

async function proxiesOf({ name, role }: Seat, n: number, { server, broker, links }: Scene): Promise<Ports> {
  const transport: number[] = []
  const doors = broker.doors(n)
  for (const [node, door] of doors.entries()) {
    const way = doors.length === 1 ? 'the transport' : `node ${node + 1} of the transport`
    transport.push(await links.open(`${name} to ${way}`, role, door))
  }
  const store = await links.open(`${name} to its database`, role, { host: '127.0.0.1', port: server.port })
  return { store, transport }
}

/** So that not all processes begin with the same node. */
function turned(ports: readonly number[], by: number): readonly number[] {
  const first = by % ports.length
  return [...ports.slice(first), ...ports.slice(0, first)]
}

function placeOf(seat: SeatWithUrls, options: FleetOptions, fleet: Fleet): Place {
  const { plan, scene, seed, seconds, transport, nodeArguments, note, onPoint } = options
  const { name, role, group, storeUrl, transportUrl } = seat
  const makeConfig = (incarnation: number): WorkerConfig => ({
    name,
    role,
    group,
    seed,
    incarnation,
    transport,
    nodes: scene.broker.nodes.length,
    storeUrl,
    transportUrl,
    log: join(scene.logs, `${name}.jsonl`),
    plan,
    startedAtMs: fleet.startedAtMs,
    seconds,
  })
  return new Place({
    makeConfig,
    name,
    role,
    group,
    env: () => ({ NODE_COMPILE_CACHE: scene.cache, ...options.env }),
    nodeArguments,
    errorFile: join(scene.logs, `${name}.err`),
    counts: fleet.counts,
    note,
    onPoint,
  })
}
