import { startRabbitMq } from '@acuse-proof/servers'
import { nestEvents } from '@acuse/core'
import { rabbitmqExchange, rabbitmqQueue } from '@acuse/rabbitmq'
import { eventually } from '@acuse/testing'
import { connect } from 'amqplib'
import { expect, it } from 'vitest'
import { definitionsOf, type Numbered, OrderCancelled, OrderPlaced, service } from './broker.ts'
import { nestExchange, nestQueue, startNestPair } from './nest-pair.ts'

const each = 300

it.each(['3.10', '4.0'] as const)(
  'beside a running pair of @nestjs/microservices, on RabbitMQ %s, its queue is consumed and its exchange published to; nothing is declared again, and nothing is lost',
  async (release) => {
    await using server = await startRabbitMq({ release })
    await using pair = await startNestPair(server.url)
    const before = await definitionsOf(server)
    expect(before.join('\n')).toContain(nestQueue)

    // The pair alone, then both, then Acuse too publishes; all the while the producer goes on.
    let emitted = 0
    const emit = async (count: number): Promise<void> => {
      for (const end = emitted + count; emitted < end; emitted++) {
        await pair.emit({ orderId: `k${emitted % 10}`, n: emitted })
      }
    }
    await emit(each)

    const seen: number[] = []
    const take = ({ data }: { readonly data: Numbered }): void => void seen.push(data.n)
    const bus = await service((declared) => {
      const queue = rabbitmqQueue(server.url, nestQueue, { declare: 'never', acceptRisks: ['loss', 'order'] })
      declared
        .from('orders', queue, { ...nestEvents, id: ({ body }) => idOf(nestEvents.decode({ ...empty, body })) })
        .on(OrderPlaced, take)
        .on(OrderCancelled, take)
      const exchange = rabbitmqExchange(server.url, nestExchange, { codec: nestEvents, mandatory: true })
      declared.forward('to-nest', [OrderCancelled], exchange)
    })
    const emitting = emit(each)
    for (let n = 0; n < each; n++) await bus.publishNow(OrderCancelled({ orderId: `k${n % 10}`, n: 10_000 + n }))
    await emitting

    const ours = Array.from({ length: each }, (_, n) => 10_000 + n)
    const all = [...Array.from({ length: emitted }, (_, n) => n), ...ours]
    await eventually(() => expect([...pair.handled, ...seen].toSorted((one, other) => one - other)).toEqual(all), {
      timeoutMs: 20_000,
    })
    expect(
      pair.handled.some((n) => n >= 10_000),
      'Nest reads what Acuse publishes',
    ).toBe(true)
    expect(
      seen.some((n) => n < 10_000),
      'Acuse reads what Nest publishes',
    ).toBe(true)
    expect(await bus.deadLetters.list()).toEqual([])
    expect(await definitionsOf(server)).toEqual(before)
    await bus.stop()

    // Acuse is gone again: the pair goes on as before.
    const handledBy = pair.handled.length
    await emit(20)
    await eventually(() => expect(pair.handled.length).toBe(handledBy + 20))
    const admin = await connect(server.url)
    expect(await (await admin.createChannel()).checkQueue(nestQueue)).toMatchObject({
      messageCount: 0,
      consumerCount: 1,
    })
    await admin.close()
  },
  180_000,
)

const empty = { address: '', id: null, key: null, time: null, headers: {} }

/** The number of the order, as the pair has no ids of messages. */
function idOf(data: unknown): string {
  const isNumbered = typeof data === 'object' && data !== null && 'n' in data
  return isNumbered ? `order-${String(data.n)}` : ''
}
