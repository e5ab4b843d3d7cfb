import {
  type Bus,
  deadLetter,
  DependencyDownError,
  exponential,
  pause,
  saga,
  type StandardSchema,
  stream,
} from '@acuse/core'
import type { Duration, MemoryTx, Scenario, SimulatedPlace, SimulatedService } from '../../src/index.ts'

interface Order {
  readonly orderId: string
}
interface Step {
  readonly parcel: string
  readonly n: number
}

function objectWith<T>(field: keyof T & string): StandardSchema<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof value === 'object' && value !== null && field in value
          ? { value: value as T }
          : { issues: [{ message: `no ${field}` }] },
    },
  }
}

const byOrder = { schema: objectWith<Order>('orderId'), key: ({ orderId }: Order) => orderId }
const orders = stream('orders', { partitions: 3 })
const stock = stream('stock', { partitions: 2 })
const parcels = stream('parcels', { partitions: 4 })

const OrderPlaced = orders.message('order.placed', byOrder)
const OrderConfirmed = orders.message('order.confirmed', byOrder)
const OrderExpired = orders.message('order.expired', byOrder)
const PaymentRequested = orders.message('payment.requested', byOrder)
const StockReserved = stock.message('stock.reserved', byOrder)
const PaymentTaken = stream('payments').message('payment.taken', byOrder)
const ParcelMoved = parcels.message('parcel.moved', {
  schema: objectWith<Step>('parcel'),
  key: ({ parcel }) => parcel,
})
const Reminder = stream('notices').message('reminder', {
  schema: objectWith<Order>('orderId'),
  priority: 'high',
})
const Report = stream('notices').message('report', { schema: objectWith<{ at: string }>('at') })

const minuteMs = 60_000
const hourMs = 60 * minuteMs

interface Checkout {
  readonly reserved: boolean
  readonly paid: boolean
}

/** An order waits for stock and payment, expires after half an hour, and is kept open for complaints for six hours. */
const checkout = saga<Checkout>('checkout', () => ({ reserved: false, paid: false }))
  .on(OrderPlaced, { id: ({ data }) => data.orderId, starts: true }, () => ({ timeouts: { expires: 30 * minuteMs } }))
  .on(StockReserved, { id: ({ data }) => data.orderId, starts: true }, (state, { data }) => ({
    state: { ...state, reserved: true },
    publish: [PaymentRequested(data)],
  }))
  .on(PaymentTaken, { id: ({ data }) => data.orderId }, (state, { data }) => ({
    state: { ...state, paid: true },
    publish: [OrderConfirmed(data)],
    timeouts: { expires: null, complaints: 6 * hourMs },
  }))
  .onTimeout('expires', (state, orderId) => ({
    state,
    publish: [OrderExpired({ orderId })],
    complete: true,
  }))
  .onTimeout('complaints', () => ({ complete: true }))

const impatient = exponential({ attempts: 6, baseMs: 1_000, maxMs: minuteMs })

/** Fails now and then, as the world does; what is drawn is the process's own, so that the same seed fails the same. */
async function stumble({ random, clock }: SimulatedPlace, of: number): Promise<void> {
  if (random.chance(0.3)) await pause(clock, random.integer(1, 400))
  if (random.chance(of)) throw new Error('the handler stumbles')
}

/** Writes an effect in the handler's own table, which has no unique key that would hide a double. */
function count(tx: MemoryTx, table: string, key: string): number {
  const rows = tx.table<number>(table)
  const next = (rows.get(key) ?? 0) + 1
  rows.set(key, next)
  return next
}

export interface ShopOptions {
  readonly lasts?: Duration
  readonly transport?: Scenario['transport']
  readonly faultsPerDay?: number
  /** Replaces parts of a service, to plant bugs. */
  readonly change?: (service: string, declared: SimulatedService) => SimulatedService
  readonly broker?: Scenario['broker']
  readonly ordersPerDay?: number
}

/** Orders, inventory and payments, each with its own database and two processes: a saga, external calls, batches, schedules and cron. */
export function shop(options: ShopOptions = {}): Scenario {
  const { lasts = { hours: 24 }, change = (_service, declared) => declared, ordersPerDay = 60 } = options
  /** Whom the payment service calls: the world outside, which no crash of ours touches. */
  const charges = new Map<string, string>()

  const ordersService: SimulatedService = {
    declare(bus) {
      bus.saga(checkout, { retry: impatient })
      bus.cron('report', '0 3 * * *', (dueAt) => Report({ at: dueAt.toISOString() }))
    },
  }
  const inventoryService: SimulatedService = {
    declare(bus, place) {
      declareStock(bus, place)
      declareParcels(bus, place)
    },
  }
  const paymentsService: SimulatedService = {
    declare(bus, place) {
      bus
        .group({ retry: impatient, breaker: { resetMs: 20_000 } })
        .onExternal(PaymentRequested, async ({ data }, context) => {
          await stumble(place, 0.05)
          if (place.random.chance(0.05)) throw new DependencyDownError('gateway')
          charges.set(context.idempotencyKey, data.orderId)
          await stumble(place, 0.05)
          context.publish(PaymentTaken(data))
        })
      bus
        .group('notices', { whileRetrying: 'continue', retry: impatient })
        .onBatch(Reminder, (_messages, _context) => stumble(place, 0.1), { most: 5, waitMs: 2_000 })
        .onBatch(Report, (_messages, _context) => stumble(place, 0.1), { waitMs: 1_000 })
    },
  }
  const services = { orders: ordersService, inventory: inventoryService, payments: paymentsService }
  return {
    name: 'shop',
    lasts,
    ...(options.transport === undefined ? {} : { transport: options.transport }),
    ...(options.faultsPerDay === undefined ? {} : { faultsPerDay: options.faultsPerDay }),
    ...(options.broker === undefined ? {} : { broker: options.broker }),
    services: Object.fromEntries(
      Object.entries(services).map(([service, declared]) => [service, change(service, declared)]),
    ),
    world({ random, at, lastsMs }) {
      const days = lastsMs / (24 * hourMs)
      for (let order = 1; order <= ordersPerDay * days; order++) {
        at(
          { ms: random.integer(0, lastsMs) },
          (from) => void from.publish('orders', OrderPlaced({ orderId: `o${order}` })),
        )
      }
      // Bursts, so that a key has several messages on their way at once: all in one transaction, or each in one of its own.
      for (let parcel = 1; parcel <= (ordersPerDay * days) / 3; parcel++) {
        const steps = Array.from({ length: 8 }, (_, index) => ParcelMoved({ parcel: `p${parcel}`, n: index + 1 }))
        at({ ms: random.integer(0, lastsMs) }, async (from) => {
          if (from.random.chance(0.5)) return from.publish('inventory', steps)
          for (const step of steps) await from.publish('inventory', step)
        })
      }
    },
    check({ databases, deadLetters, effects }) {
      // The gateway is never down for a day, whatever the time of a process says.
      if (deadLetters.some(({ reason }) => reason === 'dependency-down'))
        throw new Error('a short outage was taken for a long one')
      const applied = (group: string, type: string): number =>
        effects.filter((effect) => effect.group === group && effect.message.type === type).length
      const reserved = [...(databases['inventory']?.table('reserved').values() ?? [])]
      if (reserved.some((times) => times !== 1)) throw new Error('an order was reserved more than once')
      if (reserved.length !== applied('inventory', OrderPlaced.name)) throw new Error('an order was reserved by nobody')
      const paid = applied('saga.checkout', PaymentTaken.name)
      if (new Set(charges.values()).size !== charges.size) throw new Error('an order was charged under two keys')
      if (charges.size < paid) throw new Error(`${paid} orders are paid, but only ${charges.size} charged`)
    },
  }
}

function declareStock(bus: Bus<MemoryTx>, place: SimulatedPlace): void {
  bus.group({ retry: impatient, concurrency: 4 }).on(OrderPlaced, async ({ data }, { tx, publish }) => {
    await stumble(place, 0.1)
    count(tx, 'reserved', data.orderId)
    publish(StockReserved(data))
    publish(Reminder(data), { deliverAfterMs: 10 * minuteMs })
  })
}

/** Steps of a parcel in order; a few can never be applied, and what comes after them goes on. */
function declareParcels(bus: Bus<MemoryTx>, place: SimulatedPlace): void {
  bus
    .group('parcels', { retry: impatient, concurrency: 2, sharedTransaction: 3, leaseMs: 10_000 })
    .on(ParcelMoved, async ({ data }, { tx }) => {
      if (data.n === 5 && data.parcel.endsWith('3')) return deadLetter('this step is impossible')
      await stumble(place, 0.1)
      await tx.lock(data.parcel)
      count(tx, 'steps', data.parcel)
      return undefined
    })
}
