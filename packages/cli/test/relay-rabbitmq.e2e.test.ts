import { createBus } from '@acuse/core'
import { startRabbitMq } from '@acuse-proof/servers'
import { pg } from '@acuse/postgres'
import { rabbitmq } from '@acuse/rabbitmq'
import { eventually } from '@acuse/testing'
import { expect, onTestFinished, test } from 'vitest'
import { acuse, startAcuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'
import { OrderPlaced, startService } from './orders.ts'

test('a relay of its own sends a log to RabbitMQ, also when the broker was restarted', async () => {
  const server = await startRabbitMq({ release: '4.0' })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const [shop, billing] = [await createTestDatabase(), await createTestDatabase()]
  const billed: string[] = []
  const bus = createBus({ service: 'billing', store: pg(billing.pool), transport: rabbitmq(server.url) })
  bus.group({ concurrency: 2 }).on(OrderPlaced, ({ data }) => void billed.push(data.orderId))
  await bus.start()
  onTestFinished(() => bus.stop({ deadlineMs: 5_000 }))
  const orders = await startService('orders', shop)
  await orders.publishNow(OrderPlaced({ orderId: 'one' }))

  const relay = startAcuse(['relay', '--transport', server.url], { DATABASE_URL: shop.url })
  const said = await relay.line((line) => line.includes('Relaying'))
  expect(said).toContain(`to amqp://127.0.0.1:${server.port}.`)
  await eventually(() => expect(billed).toEqual(['one']), { timeoutMs: 30_000 })
  await server.restart()
  await orders.publishNow(OrderPlaced({ orderId: 'two' }))
  await eventually(() => expect(billed).toEqual(['one', 'two']), { timeoutMs: 60_000 })
  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(0)
  expect([...relay.output(), ...relay.errors()].join('\n')).not.toContain('guest:guest')
})

test('without the client of a broker the relay says what to install', async () => {
  const shop = await createTestDatabase()
  await startService('orders', shop)
  for (const missing of ['@acuse/rabbitmq', 'amqplib']) {
    const { exitCode, errors } = await acuse(
      ['relay', '--transport', 'amqp://user:secret@localhost', '--store', shop.url],
      { NODE_OPTIONS: `--import=${without(missing)}` },
    )
    expect(errors).toContain('This needs @acuse/rabbitmq and amqplib: npm install @acuse/rabbitmq amqplib')
    expect(errors).toContain('ACUSE_MISSING_PACKAGE')
    expect(errors).not.toContain('secret')
    expect(exitCode).toBe(1)
  }
})

/** A module after which a package is not to be found, as where it was never installed. */
function without(name: string): string {
  const hooks = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== ${JSON.stringify(name)}) return next(specifier, context)
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
      },
    })`
  return `data:text/javascript,${encodeURIComponent(hooks)}`
}
