import {
  type Bus,
  type BusOptions,
  createBus,
  type Diagnostics,
  listen,
  stream,
  type StandardSchema,
} from '@acuse/core'
import {
  createMemoryDatabase,
  createVirtualClock,
  type MemoryDatabase,
  memoryStore,
  memoryTransport,
  type MemoryTx,
  type VirtualClock,
} from '@acuse/testing'
import { onTestFinished } from 'vitest'

export interface Placed {
  readonly orderId: string
  readonly n: number
}

/** A schema by hand, so that these tests lean on no library. */
export const placedSchema: StandardSchema<Placed> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' &&
      value !== null &&
      'orderId' in value &&
      typeof value.orderId === 'string' &&
      'n' in value
        ? { value: value as Placed }
        : { issues: [{ message: 'expected an order', path: ['orderId'] }] },
  },
}

const orders = stream('orders', { partitions: 2 })
const key = (data: Placed): string => data.orderId
export const Placed = orders.message('order.placed', { schema: placedSchema, key })
export const Cancelled = orders.message('order.cancelled', { schema: placedSchema, key })
export const Noticed = orders.message('order.noticed', { schema: placedSchema })

export interface Setting {
  readonly bus: Bus<MemoryTx>
  readonly clock: VirtualClock
  readonly database: MemoryDatabase
  /** Diagnostics told since, by name. */
  readonly told: <Name extends keyof Diagnostics>(name: Name) => Diagnostics[Name][]
  /** Committed rows of the table that handlers of these tests write. */
  readonly effects: () => string[]
}

/** A bus on the in-memory pair with a virtual clock; everything is stopped when the test ends. */
export async function setting(
  declare: (bus: Bus<MemoryTx>) => void,
  options: Partial<BusOptions<MemoryTx>> & {
    readonly separate?: boolean
    readonly database?: MemoryDatabase
    readonly on?: VirtualClock
  } = {},
): Promise<Setting> {
  const { separate, database: given, on, ...busOptions } = options
  const clock = on ?? createVirtualClock(new Date('2026-01-01T00:00:00Z'))
  const database = given ?? createMemoryDatabase(clock)
  const collected = new Map<keyof Diagnostics, unknown[]>()
  const names = [
    'published',
    'applied',
    'duplicate',
    'failed',
    'retrying',
    'blocked',
    'dead',
    'relayed',
    'breaker',
    'error',
  ] as const
  const unlisten = names.map((name) =>
    listen(name, (what) => void collected.set(name, [...(collected.get(name) ?? []), what])),
  )
  const bus = createBus<MemoryTx>({
    service: 'shop',
    store: memoryStore(database),
    ...(separate === true ? { transport: memoryTransport(clock) } : {}),
    clock,
    random: () => 0,
    pollMs: 86_400_000,
    ...busOptions,
  })
  declare(bus)
  await bus.start()
  onTestFinished(async () => {
    for (const stop of unlisten) stop()
    const stopped = bus.stop({ deadlineMs: 1_000 })
    await clock.advance({ minutes: 5 })
    await stopped
  })
  return {
    bus,
    clock,
    database,
    told: (name) => (collected.get(name) ?? []) as never,
    effects: () => [...database.table('effects').values()].map(String),
  }
}

let row = 0

/** Writes one effect in the handler's own transaction; never the same row twice, so that a duplicate would show. */
export async function effect(tx: MemoryTx, text: string): Promise<void> {
  tx.table<string>('effects').set(String(++row), text)
}
