import {
  type AcuseError,
  type AnyMessageType,
  type Bus,
  type BusOptions,
  cloudEvents,
  createBus,
  type DeadLetter,
  type DeadLetterFilter,
  type Message,
  type MessageType,
  type StopOptions,
  type WireMessage,
} from '@acuse/core'
import { createMemoryDatabase, type MemoryDatabase } from './memory-database.ts'
import { memoryStore } from './memory-store.ts'
import type { MemoryTx } from './memory-transaction.ts'
import { memoryTransport, type MemoryTransportFactory } from './memory-transport.ts'
import { AppliedMessages, noteApplied } from './test-bus-applied.ts'
import { createVirtualClock, type Duration, type VirtualClock } from './virtual-clock.ts'

/** Nobody else uses the database, so a bus has nothing to look for but what it knows of; an hour of the clock costs three polls. */
const pollMs = 3_600_000

export interface TestBusOptions extends Partial<Omit<BusOptions<MemoryTx>, 'store' | 'transport' | 'clock' | 'relay'>> {
  /** Declares groups, sagas and cron entries before the bus starts. */
  readonly declare?: (bus: Bus<MemoryTx>) => void
  /** `false` leaves the start to whoever gets the bus, e.g. a Nest module. Default true. */
  readonly start?: boolean
  /** The clock of another test bus, so that time passes for both. Default: one of its own. */
  readonly clock?: VirtualClock
  /** The broker of another test bus, so that the two services talk. Default: one of its own. */
  readonly transport?: MemoryTransportFactory
  /** An earlier database of the service, for a process that starts again. Default: an empty one. */
  readonly database?: MemoryDatabase
}

/** A message that a group has applied: its effects are committed. */
export interface Applied<Data = unknown> {
  readonly group: string
  /** How many attempts it took. */
  readonly attempts: number
  readonly message: Message<Data>
}

/** A bus in memory, in a time that passes when the test says so, and what has become of its messages. */
export interface TestBus extends AsyncDisposable {
  readonly bus: Bus<MemoryTx>
  readonly clock: VirtualClock
  /** The service's own database; `database.table(name)` has the committed rows of a handler's `tx.table(name)`. */
  readonly database: MemoryDatabase
  readonly transport: MemoryTransportFactory
  /** Lets time pass: `{ days: 30 }`. Whatever is due on the way happens, in order and at its own moment. */
  readonly advance: (duration: Duration) => Promise<void>
  /** Lets everything happen that needs no time. */
  readonly settle: () => Promise<void>
  /** What this service has published, in the order of the commits; scheduled messages once they are due. Data as it travels. */
  readonly published: {
    (): readonly Message[]
    <In, Out>(type: MessageType<In, Out>): readonly Message<In>[]
  }
  /** What the groups of this service have applied, in the order of the commits, timeouts of sagas among it. Data as it travels. */
  readonly applied: {
    (): readonly Applied[]
    <In, Out>(type: MessageType<In, Out>): readonly Applied<In>[]
  }
  /** Oldest first. */
  readonly deadLetters: (filter?: DeadLetterFilter) => Promise<readonly DeadLetter[]>
  /** What failed in the background, outside of handlers. */
  readonly errors: () => readonly AcuseError[]
  /** Stops the bus; handlers that wait for the clock get the time until the deadline. */
  readonly stop: (options?: StopOptions) => Promise<void>
}

/**
 * Makes a bus on the in-memory pair and a virtual clock, and starts it: thirty days of retries and timeouts pass in milliseconds.
 * The service is named `test` and retries have no jitter unless said otherwise. Rejects as `bus.start` does.
 */
export async function testBus(options: TestBusOptions = {}): Promise<TestBus> {
  const { declare, start = true, clock = createVirtualClock(), ...busOptions } = options
  const { database = createMemoryDatabase(clock), transport = memoryTransport(clock), ...settings } = busOptions
  const errors: AcuseError[] = []
  const applied = new AppliedMessages()
  const bus = createBus({
    service: 'test',
    random: () => 0,
    pollMs,
    ...settings,
    clock,
    transport,
    store: noteApplied(memoryStore(database), applied),
    onError(error) {
      errors.push(error)
      settings.onError?.(error)
    },
  })
  const codec = settings.codec ?? cloudEvents()
  const decode = (wire: WireMessage): Message => ({ ...codec.decode(wire), stream: wire.stream })
  const stop = (stopOptions: StopOptions = {}): Promise<void> => stopInVirtualTime(bus, clock, stopOptions)
  declare?.(bus)
  if (start) {
    await bus.start()
    await clock.settle()
  }
  return {
    bus,
    clock,
    database,
    transport,
    advance: (duration) => clock.advance(duration),
    settle: () => clock.settle(),
    // What a type published has passed its schema, whose input it is.
    published: (type?: AnyMessageType) => ofType(database.appended(), type).map(decode) as Message<never>[],
    applied: (type?: AnyMessageType) =>
      applied.all
        .filter(({ wire }) => type === undefined || wire.type === type.name)
        .map(({ wire, ...rest }) => ({ ...rest, message: decode(wire) as Message<never> })),
    deadLetters: (filter) => bus.deadLetters.list(filter),
    errors: () => [...errors],
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}

function ofType(wires: readonly WireMessage[], type: AnyMessageType | undefined): readonly WireMessage[] {
  return type === undefined ? wires : wires.filter((wire) => wire.type === type.name)
}

/** What needs no time is over first, so that other services on the same clock see none pass unless a handler makes it. */
async function stopInVirtualTime(bus: Bus<MemoryTx>, clock: VirtualClock, options: StopOptions): Promise<void> {
  const { deadlineMs = 30_000 } = options
  let over = false
  const stopped = bus.stop({ deadlineMs }).finally(() => {
    over = true
  })
  await Promise.all([stopped, clock.settle().then(() => (over ? undefined : clock.advance({ ms: deadlineMs })))])
}
