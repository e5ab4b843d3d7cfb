import type { Bus, BusOptions, Clock, DeadLetter, OutgoingMessage, StoreFactory, TransportFactory } from '@acuse/core'
import type { MemoryDatabase } from '../memory-database.ts'
import type { MemoryTx } from '../memory-transaction.ts'
import type { Duration } from '../virtual-clock.ts'
import type { FaultKind } from './faults.ts'
import type { Effect } from './ledger.ts'
import type { SimulationRandom } from './random.ts'

/** Where the code of a service runs. All it may know of time and chance is here: the rest of the machine is not simulated. */
export interface SimulatedPlace {
  /** E.g. `orders/2`. */
  readonly process: string
  /** The process's own clock, which may be wrong. `pause(clock, ms)` is how a handler takes its time. */
  readonly clock: Clock
  readonly random: SimulationRandom
}

/** A service: one database, and processes that start, crash and start again. */
export interface SimulatedService {
  /** Default 2. */
  readonly processes?: number
  /** Declares groups, sagas and cron entries; called for every process, whenever it starts. */
  readonly declare: (bus: Bus<MemoryTx>, place: SimulatedPlace) => void
  /** What else the bus is given. `pollMs` is another one in each life, from two minutes to an hour. */
  readonly options?: Partial<
    Omit<BusOptions<MemoryTx>, 'service' | 'store' | 'transport' | 'clock' | 'random' | 'newId' | 'relay'>
  >
  /** Replaces the store by one of the same kind, e.g. one with a bug planted in it. */
  readonly store?: (open: StoreFactory<MemoryTx>) => StoreFactory<MemoryTx>
}

/** Whatever happens outside of the services: users, cron, the world. Its acts are planned before the simulation begins. */
export interface SimulatedWorld {
  readonly random: SimulationRandom
  /** How long the simulation lasts, ms. */
  readonly lastsMs: number
  /** Plans an act at a time from the start. What it does with `from` happens then. */
  readonly at: (time: Duration, act: (from: SimulatedActor) => void | Promise<void>) => void
}

/** Who acts on the services from outside. */
export interface SimulatedActor {
  /**
   * Publishes through a running process of the service, all in one transaction. Repeated under the same ids until it is known to be
   * committed, as the client of an idempotent interface does it. Resolves then.
   */
  publish(service: string, messages: OutgoingMessage | readonly OutgoingMessage[]): Promise<void>
  /** Does anything through a running process of the service. Rejects when that fails, or when the process ends meanwhile. */
  through<R>(service: string, work: (bus: Bus<MemoryTx>) => Promise<R>): Promise<R>
  /** True time: that of the databases. */
  readonly clock: Clock
  readonly random: SimulationRandom
}

/** What a simulation leaves behind. */
export interface SimulationOutcome {
  /** Each service's database: `outcome.databases.orders.table('stock')` has the committed rows of its handlers. */
  readonly databases: Readonly<Record<string, MemoryDatabase>>
  /** What was applied, in the order of the commits. */
  readonly effects: readonly Effect[]
  /** Of all services, the settled ones too. */
  readonly deadLetters: readonly DeadLetter[]
  readonly nowMs: number
}

export interface Scenario {
  /** For messages and the trace. */
  readonly name: string
  readonly services: Readonly<Record<string, SimulatedService>>
  /** How long faults happen; then everything works again and has to settle. */
  readonly lasts: Duration
  /** `broker` (default): a database for each service, relays, and a broker between them. `database`: all share one database, whose log is the transport. */
  readonly transport?: 'broker' | 'database'
  /** Plans what the world does. Drawn from `world.random`, so that it is the same for the same seed. */
  readonly world: (world: SimulatedWorld) => void
  /** Throws when what is left behind is not what should be; the framework's own promises are checked anyway. */
  readonly check?: (outcome: SimulationOutcome) => void
  /** Default: all. */
  readonly faults?: readonly FaultKind[]
  /** How many faults a simulated day has. Default 48. */
  readonly faultsPerDay?: number
  /** How long everything may take to settle once all works again. Default 6 hours, which the longest default retry fits into. */
  readonly settles?: Duration
  /** Replaces the broker by one of the same kind, e.g. one with a bug planted in it. */
  readonly broker?: (open: TransportFactory) => TransportFactory
}
