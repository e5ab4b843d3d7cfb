import { type Bus, createBus, derivedId, messageOf, type StoreFactory, type TransportFactory } from '@acuse/core'
import type { MemoryDatabase } from '../memory-database.ts'
import { memoryStore } from '../memory-store.ts'
import type { MemoryTx } from '../memory-transaction.ts'
import type { MemoryTransportFactory } from '../memory-transport.ts'
import { distantStore } from './distant-store.ts'
import { distantTransport } from './distant-transport.ts'
import { sessionMs } from './distant-subscription.ts'
import type { Ledger } from './ledger.ts'
import { Link, type ServerName } from './link.ts'
import { type Ambush, SimulatedProcess } from './process.ts'
import type { SimulationRandom } from './random.ts'
import type { SimulatedService } from './scenario.ts'
import type { Timeline } from './timeline.ts'

/**
 * Each life polls at another pace. Slower than in production, where a second is usual: nine tenths of a simulation would be polls, and a
 * wake-up that is missing would never show.
 */
const pollsMs = [120_000, 600_000, 3_600_000]
/** A supervisor starts what could not start again after this. */
const startAgainMs = 2_000
const drainMs = 30_000

export interface MachineOptions {
  readonly name: string
  readonly service: string
  readonly declared: SimulatedService
  readonly database: MemoryDatabase
  readonly ledger: Ledger
  /** The broker, and how its connections end; left out where the database is the transport. */
  readonly broker: { readonly open: TransportFactory; readonly memory: MemoryTransportFactory } | undefined
  readonly timeline: Timeline
  readonly random: SimulationRandom
  readonly trace: (what: string) => void
}

interface Life {
  readonly process: SimulatedProcess
  readonly bus: Bus<MemoryTx>
  readonly links: Readonly<Record<ServerName, Link>>
}

/** A place where one process of a service runs, life after life. */
export class Machine {
  readonly name: string
  readonly service: string
  /** What waits for the process's next calls, in whichever life they come. */
  readonly ambushes: Ambush[] = []
  readonly #options: MachineOptions
  #life: Life | undefined
  #lives = 0
  #aheadMs = 0
  #started = false
  #ids = 0

  constructor(options: MachineOptions) {
    this.#options = options
    this.name = options.name
    this.service = options.service
  }

  /** The bus, if it can be used now. */
  get bus(): Bus<MemoryTx> | undefined {
    return this.#started && this.#life?.process.state === 'running' ? this.#life.bus : undefined
  }

  get process(): SimulatedProcess | undefined {
    return this.#life?.process
  }

  start(): void {
    const life = this.#begin()
    this.#life = life
    this.#started = false
    this.#options.trace(`${life.process.instance} starts`)
    life.bus.start().then(
      () => {
        this.#started = true
      },
      (error: unknown) => {
        this.#options.trace(`${life.process.instance} cannot start: ${messageOf(error)}`)
        if (this.#life === life) this.#end(life, startAgainMs)
      },
    )
  }

  crash(downMs: number): void {
    if (this.#life === undefined) return
    this.#options.trace(`${this.#life.process.instance} crashes`)
    this.#end(this.#life, downMs)
  }

  pause(forMs: number): void {
    const life = this.#life
    if (life?.process.state !== 'running') return
    const { timeline, trace } = this.#options
    trace(`${life.process.instance} stands still for ${forMs} ms`)
    life.process.pause()
    timeline.after(forMs, () => life.process.resume())
    if (forMs <= sessionMs) return
    timeline.after(sessionMs, () => {
      for (const link of Object.values(life.links)) link.expire()
    })
  }

  restart(): void {
    const life = this.#life
    if (life === undefined || !this.#started) return
    this.#options.trace(`${life.process.instance} drains`)
    this.#started = false
    const over = (): void => {
      if (this.#life === life) this.#end(life, 0)
    }
    life.bus.stop({ deadlineMs: drainMs }).then(over, over)
    // A supervisor that has waited long enough kills it.
    this.#options.timeline.after(2 * drainMs, over)
  }

  cut(server: ServerName, forMs: number): void {
    const link = this.#life?.links[server]
    link?.cut()
    this.#options.timeline.after(forMs, () => link?.heal())
  }

  slow(server: ServerName, mostMs: number, forMs: number): void {
    const link = this.#life?.links[server]
    link?.slow(mostMs)
    this.#options.timeline.after(forMs, () => link?.hurry())
  }

  jump(byMs: number): void {
    this.#aheadMs += byMs
    this.#life?.process.jump(byMs)
  }

  /** Everything works again, and runs. */
  heal(): void {
    this.ambushes.length = 0
    const life = this.#life
    if (life === undefined) return this.start()
    life.process.resume()
    for (const link of Object.values(life.links)) {
      link.heal()
      link.hurry()
    }
  }

  #end(life: Life, downMs: number): void {
    life.process.crash()
    this.#life = undefined
    this.#started = false
    this.#options.timeline.after(downMs, () => {
      if (this.#life === undefined) this.start()
    })
  }

  #begin(): Life {
    const { name, service, declared, ledger, timeline, database, broker, trace } = this.#options
    const instance = `${name}#${++this.#lives}`
    const random = this.#options.random.fork(instance)
    const process = new SimulatedProcess(timeline, {
      name,
      instance,
      aheadMs: this.#aheadMs,
      ambushes: this.ambushes,
    })
    const linkTo = (server: ServerName): Link =>
      new Link({
        process,
        server,
        timeline,
        random: random.fork(server),
        onCall: (call) => trace(`${instance} ${server} ${call}`),
      })
    const links = { database: linkTo('database'), transport: linkTo('transport') }
    const spoil = declared.store ?? ((open: StoreFactory<MemoryTx>) => open)
    const open = spoil(memoryStore(database))
    const transport = broker === undefined ? {} : { transport: distantBroker(broker, links.transport) }
    const bus = createBus<MemoryTx>({
      pollMs: random.pick(pollsMs),
      ...declared.options,
      ...transport,
      service,
      store: distantStore(async (context) => ledger.watchStore(await open(context)), links.database, database),
      clock: process.clock,
      random: () => random.number(),
      newId: () => derivedId(name, String(++this.#ids)),
      onError: (error) => trace(`${instance} tells ${error.message}`),
    })
    ledger.watchGroups(bus)
    declared.declare(bus, { process: name, clock: process.clock, random: random.fork('handlers') })
    return { process, bus, links }
  }
}

function distantBroker({ open, memory }: NonNullable<MachineOptions['broker']>, link: Link): TransportFactory {
  return async (context) => {
    const transport = await link.call('open', () => open({ ...context, instance: link.process.instance }))
    return distantTransport(transport, link, {
      onError: context.onError,
      crash: (subscription) => memory.crash(subscription),
    })
  }
}
