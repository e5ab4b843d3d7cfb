import { type Bus, exponential, type HandlerContext, type Message, stream } from '@acuse/core'
import { AcuseModule, Group, InjectBus, On } from '@acuse/nestjs'
import { pg } from '@acuse/postgres'
import { Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common'
import { Pool, type PoolClient } from 'pg'
import { z } from 'zod'

// #region messages
const orders = stream('orders')
const PlacedOrder = z.object({ orderId: z.string(), sku: z.string() })
type PlacedOrder = z.infer<typeof PlacedOrder>
const OrderPlaced = orders.message('order.placed', { schema: PlacedOrder, key: (order) => order.orderId })
// #endregion

// #region database
@Module({
  providers: [
    { provide: Pool, useFactory: () => new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 }) },
  ],
  exports: [Pool],
})
class DatabaseModule implements OnApplicationShutdown {
  readonly #pool: Pool

  constructor(@Inject(Pool) pool: Pool) {
    this.#pool = pool
  }

  /** Not in an earlier hook: until the bus has drained, handlers still use it. */
  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end()
  }
}
// #endregion

// #region handlers
@Injectable()
@Group({ retry: exponential({ attempts: 5, baseMs: 1_000, maxMs: 600_000 }) })
class Reservations {
  @On(OrderPlaced)
  async reserve({ data }: Message<PlacedOrder>, { tx }: HandlerContext<PoolClient>): Promise<void> {
    await tx.query('insert into reserved (id, sku) values ($1, $2)', [data.orderId, data.sku])
  }
}
// #endregion

// #region publish
@Injectable()
export class Orders {
  readonly #bus: Bus<PoolClient>

  constructor(@InjectBus() bus: Bus<PoolClient>) {
    this.#bus = bus
  }

  async place(order: PlacedOrder): Promise<void> {
    await this.#bus.transaction(async (tx, publish) => {
      await tx.query('insert into placed (id) values ($1)', [order.orderId])
      publish(OrderPlaced(order))
    })
  }
}
// #endregion

// #region module
@Module({
  imports: [
    DatabaseModule,
    AcuseModule.forRootAsync({
      imports: [DatabaseModule],
      inject: [Pool],
      useFactory: (pool: Pool) => ({ service: 'shop', store: pg(pool) }),
    }),
  ],
  providers: [Orders, Reservations],
})
export class AppModule {}
// #endregion
