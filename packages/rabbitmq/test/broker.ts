import { type RabbitMq } from '@acuse-proof/servers'
import { type Bus, createBus, stream, type StandardSchema, systemClock } from '@acuse/core'
import { createMemoryDatabase, memoryStore, type MemoryTx } from '@acuse/testing'
import type { ConfirmChannel } from 'amqplib'

export interface Numbered {
  readonly orderId: string
  readonly n: number
}

const schema: StandardSchema<Numbered> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'orderId' in value && 'n' in value
        ? { value: value as Numbered }
        : { issues: [{ message: 'expected an order', path: ['orderId'] }] },
  },
}

const orders = stream('orders')
export const OrderPlaced = orders.message('order.placed', { schema, key: ({ orderId }) => orderId })
export const OrderCancelled = orders.message('order.cancelled', { schema, key: ({ orderId }) => orderId })

/** A service that runs, whose own transport is its log. */
export async function service(
  declare: (bus: Bus<MemoryTx>) => void,
  name = 'shop',
): Promise<Bus<MemoryTx> & { readonly reported: readonly string[] }> {
  const reported: string[] = []
  const bus = createBus<MemoryTx>({
    service: name,
    store: memoryStore(createMemoryDatabase(systemClock)),
    pollMs: 20,
    onError: (error) => void reported.push(error.message),
  })
  declare(bus)
  await bus.start()
  return Object.assign(bus, { reported })
}

/** Sends a body to a queue, confirmed. */
export async function send(
  channel: ConfirmChannel,
  queue: string,
  body: unknown,
  options: { readonly messageId?: string; readonly headers?: Record<string, unknown> } = {},
): Promise<void> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  channel.sendToQueue(queue, Buffer.from(text), { persistent: true, ...options })
  await channel.waitForConfirms()
}

/** All that is declared on a server: queues and exchanges with their arguments, and bindings. */
export async function definitionsOf(server: RabbitMq): Promise<readonly string[]> {
  const lists = [
    ['list_queues', 'name', 'durable', 'auto_delete', 'exclusive', 'arguments', 'policy'],
    ['list_exchanges', 'name', 'type', 'durable', 'auto_delete', 'internal', 'arguments', 'policy'],
    ['list_bindings', 'source_name', 'destination_name', 'destination_kind', 'routing_key', 'arguments'],
  ]
  const found: string[] = []
  for (const list of lists) {
    const printed = await server.rabbitmqctl(['-q', '--no-table-headers', ...list])
    found.push(
      ...printed
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `${list[0]} ${line}`),
    )
  }
  return found.toSorted()
}
