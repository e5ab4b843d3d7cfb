import { type Bus, type BusOptions, type HandlerContext, type Message, pause, saga } from '@acuse/core'
import { createMemoryDatabase, memoryStore, type MemoryTx, memoryTransport, testBus } from '@acuse/testing'
import {
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type BeforeApplicationShutdown,
} from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AcuseModule, busToken, Group, InjectBus, On } from '../src/index.ts'
import { compiled, notOpened, started } from './application.ts'
import { OrderCancelled, type OrderData, OrderExpired, OrderPlaced } from './messages.ts'

@Injectable()
class Checkout {
  readonly #bus: Bus<MemoryTx>

  constructor(@InjectBus() bus: Bus<MemoryTx>) {
    this.#bus = bus
  }

  place(orderId: string): Promise<unknown> {
    return this.#bus.publishNow(OrderPlaced({ orderId }))
  }
}

/** Whatever is placed and not cancelled expires after 15 minutes. */
const expiry = saga('expiry', () => ({}))
  .on(OrderPlaced, { id: ({ data }) => data.orderId, starts: true }, () => ({ timeouts: { expire: 900_000 } }))
  .on(OrderCancelled, { id: ({ data }) => data.orderId }, () => ({ complete: true }))
  .onTimeout('expire', (_state, orderId) => ({ publish: [OrderExpired({ orderId })], complete: true }))

const counting = saga('counting', () => ({ orders: 0 })).on(
  OrderPlaced,
  { id: () => 'all', starts: true },
  ({ orders }) => ({ state: { orders: orders + 1 } }),
)

describe('the module', () => {
  it('gives the bus to whoever injects it, in any module', async () => {
    @Module({ providers: [Checkout], exports: [Checkout] })
    class CheckoutModule {}
    const { module, test } = await started({ imports: [CheckoutModule] })
    await module.get(Checkout).place('one')
    expect(test.published(OrderPlaced).map(({ data }) => data.orderId)).toEqual(['one'])
  })

  it('runs sagas, and days of them in milliseconds', async () => {
    const { module, test } = await started({
      imports: [AcuseModule.forFeature({ sagas: [expiry, counting], options: { concurrency: 2 } })],
      providers: [Checkout],
    })
    await module.get(Checkout).place('kept')
    await module.get(Checkout).place('cancelled')
    await test.settle()
    await test.bus.publishNow(OrderCancelled({ orderId: 'cancelled' }))
    await test.advance({ minutes: 15 })
    expect(test.published(OrderExpired).map(({ data }) => data.orderId)).toEqual(['kept'])
    expect(
      test
        .applied(OrderPlaced)
        .map(({ group }) => group)
        .toSorted(),
    ).toEqual(['saga.counting', 'saga.counting', 'saga.expiry', 'saga.expiry'])
  })

  it('makes the bus from what it injects', async () => {
    const database = createMemoryDatabase()
    @Module({ providers: [{ provide: 'store', useValue: memoryStore(database) }], exports: ['store'] })
    class Database {}
    const module = await Test.createTestingModule({
      imports: [
        AcuseModule.forRootAsync({
          imports: [Database],
          inject: ['store'],
          useFactory: async (store: BusOptions<MemoryTx>['store']) => ({ service: 'orders', store }),
        }),
      ],
      providers: [Checkout],
    }).compile()
    await module.init()
    onTestFinished(() => module.close())
    await module.get(Checkout).place('one')
    expect(database.appended().map(({ type }) => type)).toEqual(['order.placed'])
  })

  it('has as many buses as have names', async () => {
    const databases = { main: createMemoryDatabase(), audit: createMemoryDatabase() }
    const transport = memoryTransport()
    const heard: string[] = []
    @Group({ bus: 'audit', from: 'earliest' })
    @Injectable()
    class Audit {
      @InjectBus('audit') readonly bus!: Bus<MemoryTx>

      @On(OrderPlaced)
      note({ source }: Message<OrderData>): void {
        heard.push(`${this.bus.service} hears ${source}`)
        arrived()
      }
    }
    let arrived = (): void => undefined
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const module = await Test.createTestingModule({
      imports: [
        AcuseModule.forRoot({ service: 'orders', store: memoryStore(databases.main), transport }),
        AcuseModule.forRoot({ name: 'audit', service: 'audit', store: memoryStore(databases.audit), transport }),
      ],
      providers: [Checkout, Audit],
    }).compile()
    await module.init()
    onTestFinished(() => module.close())
    await module.get(Checkout).place('one')
    await arrival
    expect(heard).toEqual(['audit hears orders'])
    expect(module.get<Bus<MemoryTx>>(busToken('audit'))).toBe(module.get(Audit).bus)
  })

  it('keeps a bus that is not global to the modules that import it', async () => {
    @Module({ providers: [Checkout] })
    class Stranger {}
    const building = Test.createTestingModule({
      imports: [AcuseModule.forRoot({ ...notOpened, isGlobal: false }), Stranger],
    })
    await expect(building.compile()).rejects.toThrow(/can't resolve dependencies of the Checkout/)
    const module = await Test.createTestingModule({
      imports: [AcuseModule.forRoot({ ...notOpened, isGlobal: false })],
      providers: [Checkout],
    }).compile()
    expect(module.get(Checkout)).toBeInstanceOf(Checkout)
  })
})

describe('the life of the application', () => {
  it('starts the bus before anybody is told that it runs', async () => {
    @Injectable()
    class Greeting implements OnApplicationBootstrap {
      @Inject(Checkout) readonly checkout!: Checkout

      async onApplicationBootstrap(): Promise<void> {
        await this.checkout.place('first')
      }
    }
    const { test } = await started({ providers: [Checkout, Greeting] })
    expect(test.published()).toHaveLength(1)
  })

  it('publishes until the servers are closed, and then drains', async () => {
    const published: string[] = []
    const handled: string[] = []
    @Injectable()
    class LastRequest implements BeforeApplicationShutdown {
      @Inject(Checkout) readonly checkout!: Checkout

      async beforeApplicationShutdown(): Promise<void> {
        await this.checkout.place('last')
        published.push('last')
      }
    }
    const test = await testBus({ service: 'orders', start: false })
    @Group()
    @Injectable()
    class Slow {
      @On(OrderPlaced)
      async handle({ data }: Message<OrderData>, _context: HandlerContext<MemoryTx>): Promise<void> {
        handled.push(`begins ${data.orderId}`)
        await pause(test.clock, 5_000)
        handled.push(`ends ${data.orderId}`)
      }
    }
    const module = await Test.createTestingModule({
      imports: [AcuseModule.forRoot({ ...notOpened, drainDeadlineMs: 10_000 })],
      providers: [Checkout, LastRequest, Slow],
    })
      .overrideProvider(busToken())
      .useValue(test.bus)
      .compile()
    await module.init()
    await module.get(Checkout).place('first')
    await test.settle()
    const closed = module.close()
    await test.advance({ seconds: 10 })
    await closed
    expect(published).toEqual(['last'])
    expect(handled.filter((one) => one.endsWith('first'))).toEqual(['begins first', 'ends first'])
    await expect(module.get(Checkout).place('too late')).rejects.toMatchObject({ code: 'ACUSE_NOT_STARTED' })
  })

  it.each([{ global: false }, { global: true }])(
    'drains before what handlers use is closed: %o',
    async ({ global }) => {
      const test = await testBus({ service: 'orders', start: false })
      const happened: string[] = []
      @Injectable()
      class Connection implements OnApplicationShutdown {
        open = true

        onApplicationShutdown(): void {
          this.open = false
          happened.push('closed')
        }
      }
      @Module({ providers: [Connection], exports: [Connection] })
      class Database {}
      @Group()
      @Injectable()
      class Slow {
        @Inject(Connection) readonly connection!: Connection

        @On(OrderPlaced)
        async handle(): Promise<void> {
          await pause(test.clock, 1_000)
          happened.push(this.connection.open ? 'handled' : 'too late')
        }
      }
      const database = { module: Database, global }
      const module = await Test.createTestingModule({
        imports: [
          database,
          AcuseModule.forRootAsync({ imports: [database], inject: [Connection], useFactory: () => notOpened }),
        ],
        providers: [Slow],
      })
        .overrideProvider(busToken())
        .useValue(test.bus)
        .compile()
      await module.init()
      await test.bus.publishNow(OrderPlaced({ orderId: 'one' }))
      await test.settle()
      const closed = module.close()
      await test.advance({ seconds: 1 })
      await closed
      expect(happened).toEqual(['handled', 'closed'])
    },
  )

  it('fails to start where the bus does, with its reason', async () => {
    const module = await Test.createTestingModule({ imports: [AcuseModule.forRoot(notOpened)] }).compile()
    await expect(module.init()).rejects.toThrow('the store of the real bus was opened')
  })

  it('is closed without having been started', async () => {
    const { module } = await compiled({ providers: [Checkout] })
    await expect(module.get(Checkout).place('one')).rejects.toMatchObject({ code: 'ACUSE_NOT_STARTED' })
    await module.close()
  })
})
