import { createBus, stream } from '@acuse/core'
import { prisma as prismaStore } from '@acuse/postgres/prisma'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { z } from 'zod'
import { PrismaClient } from './fixtures/prisma/client/client.ts'

const OrderPlaced = stream('orders').message('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const reserved = Promise.withResolvers<void>()

// #region prisma
const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 })
const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
const bus = createBus({ service: 'shop', store: prismaStore(prisma, pool) }) // Prisma does not show its pool

bus.group().on(OrderPlaced, async ({ data }, { tx }) => {
  await tx.order.update({ where: { id: data.orderId }, data: { reserved: true } })
  reserved.resolve()
})
// #endregion
await pool.query('create table orders (id text primary key, reserved boolean not null)')
await bus.start()

// #region prisma-publish
await prisma.$transaction(async (tx) => {
  await tx.order.create({ data: { id: 'A-1' } })
  await bus.publish(tx, OrderPlaced({ orderId: 'A-1' }))
})
// #endregion
await reserved.promise
await bus.stop()
console.log(await prisma.order.findMany())
await prisma.$disconnect()
await pool.end()
