import { groupDefaults, transportFor } from '@acuse-services/contracts'
import { AcuseModule } from '@acuse/nestjs'
import { pg } from '@acuse/postgres'
import { type DynamicModule, Logger, Module } from '@nestjs/common'
import type { Pool } from 'pg'

import { checkout } from './checkout.ts'
import { createChecks } from './checks.ts'
import { OrderDesk } from './order-desk.ts'
import { OrderProgress } from './order-progress.ts'
import { OrdersController } from './orders-controller.ts'
import type { Settings } from './settings.ts'
import { CHECKS, POOL } from './tokens.ts'

/** Everything an instance consists of. The pool stays the caller's to end once the application is closed: until then the bus uses it. */
export function ordersModule(settings: Settings, pool: Pool): DynamicModule {
  const log = new Logger('bus')
  return {
    module: OrdersModule,
    imports: [
      AcuseModule.forRoot({
        service: 'orders',
        store: pg(pool, { log: { leaseMs: settings.leaseMs } }),
        transport: transportFor(settings),
        onError: (error) => log.error(error.message, error.stack),
      }),
      AcuseModule.forFeature({
        sagas: [checkout(settings)],
        options: { concurrency: 4, ...groupDefaults },
      }),
    ],
    controllers: [OrdersController],
    providers: [
      { provide: POOL, useValue: pool },
      { provide: CHECKS, useValue: createChecks(settings) },
      OrderDesk,
      OrderProgress,
    ],
  }
}

@Module({})
class OrdersModule {}
