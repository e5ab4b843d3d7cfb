import { NestFactory } from '@nestjs/core'
import { eventually } from '@acuse/testing'
import { Client } from 'pg'
import { expect, inject, test } from 'vitest'
import { AppModule, Orders } from '../examples/nestjs/app.ts'
import { databaseFor } from './example-database.ts'

test('examples/nestjs/app.ts places an order, reserves it, and drains before its pool ends', async () => {
  const url = await databaseFor('nestjs', inject('adminUrl'))
  process.env['DATABASE_URL'] = url
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('create table placed (id text); create table reserved (id text, sku text)')
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'], abortOnError: false })
  try {
    await app.init()
    await app.get(Orders).place({ orderId: 'A-1', sku: 'tea' })
    await eventually(async () => {
      const { rows } = await client.query('select id, sku from reserved')
      expect(rows).toEqual([{ id: 'A-1', sku: 'tea' }])
    })
  } finally {
    await app.close()
    await client.end()
  }
})
