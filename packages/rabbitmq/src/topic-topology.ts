import { ConfigurationError, type ForeignSource, type ForeignTarget, pause } from '@acuse/core'
import type { Channel } from 'amqplib'
import type { Connection } from './connection.ts'
import { exchangeTarget, type RabbitMqExchangeOptions } from './foreign-exchange.ts'
import { deadLetterSource, type ForeignServerOptions, type Preparation, queueSource } from './foreign-queue.ts'
import { isThere } from './topology.ts'

export interface TopicQueue {
  readonly exchange: string
  /** Patterns of routing keys: `inventory.*`. */
  readonly bindings: readonly string[]
  /** How many messages may wait. The oldest beyond it becomes a dead letter. Default: no limit. */
  readonly maxLength?: number
  /** How long a message may wait, ms; then it becomes a dead letter. Default: for ever. */
  readonly ttlMs?: number
}

/** Topic exchanges, the queues behind them, and one exchange for what expires or overflows: a `.dlq` queue behind it for each queue. */
export interface TopicTopology {
  readonly exchanges: readonly string[]
  readonly deadLetterExchange: string
  readonly queues: Readonly<Record<string, TopicQueue>>
}

/** Orders and inventory that tell each other what happens: each reads the other's events from a queue of its own. */
export const ordersAndInventory: TopicTopology = {
  exchanges: ['inventory.events', 'orders.events'],
  deadLetterExchange: 'dlq.exchange',
  queues: {
    'orders.inventory_events': {
      exchange: 'inventory.events',
      bindings: ['inventory.*'],
      maxLength: 10_000,
      ttlMs: 24 * 3_600_000,
    },
    'inventory.order_events': { exchange: 'orders.events', bindings: ['order.*'] },
  },
}

/**
 * A queue of a topology, for `bus.from`, declared with all of the topology when the bus starts. What expires there or overflows becomes a
 * dead letter of the group. Opening throws `ACUSE_UNSAFE_SETTING` or `ACUSE_CONFIGURATION` where it is declared otherwise already.
 */
export function topicQueue(
  url: string,
  topology: TopicTopology,
  queue: string,
  options: ForeignServerOptions = {},
): ForeignSource {
  if (topology.queues[queue] === undefined) throw unknown('queue', queue, Object.keys(topology.queues))
  const server = { ...options, url, prepare: preparation(topology) }
  return {
    // It has a single active consumer: nobody else takes part in the order.
    ...queueSource({ ...server, queue, acceptRisks: [], isAlone: false }),
    deadLetters: deadLetterSource({ ...server, queue: deadLetterQueue(queue) }),
  }
}

/** An exchange of a topology, for `bus.forward`, declared with all of the topology when the bus starts. */
export function topicExchange(
  url: string,
  topology: TopicTopology,
  exchange: string,
  options: RabbitMqExchangeOptions,
): ForeignTarget {
  if (!topology.exchanges.includes(exchange)) throw unknown('exchange', exchange, topology.exchanges)
  return exchangeTarget(url, exchange, options, preparation(topology))
}

/** A node that is killed within a second of a quorum queue's declaration forgets it for good (seen on 3.10 and 4.0). */
const newQueueMs = 2_000

function preparation(topology: TopicTopology): Preparation {
  return async (channel, connection, clock) => {
    const isNew = !(await areThere(topology, connection))
    await declareTopology(channel, topology)
    if (isNew) await pause(clock, newQueueMs)
  }
}

async function areThere({ queues }: TopicTopology, connection: Connection): Promise<boolean> {
  const names = Object.keys(queues).flatMap((name) => [name, deadLetterQueue(name)])
  const found = await Promise.all(names.map((name) => isThere(connection, name)))
  return found.every(Boolean)
}

/** Declaring again what is there changes nothing; what is there with other settings is an error. */
async function declareTopology(channel: Channel, topology: TopicTopology): Promise<void> {
  const { exchanges, deadLetterExchange, queues } = topology
  await channel.assertExchange(deadLetterExchange, 'direct', { durable: true })
  for (const exchange of exchanges) await channel.assertExchange(exchange, 'topic', { durable: true })
  for (const [name, queue] of Object.entries(queues)) {
    const deadLetters = deadLetterQueue(name)
    await channel.assertQueue(deadLetters, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(deadLetters, deadLetterExchange, deadLetters)
    await channel.assertQueue(name, { durable: true, arguments: argumentsOf(name, queue, deadLetterExchange) })
    for (const pattern of queue.bindings) await channel.bindQueue(name, queue.exchange, pattern)
  }
}

/** From 4.0 the default is 20, and a crash counts for all that was prefetched. */
const deliveryLimit = 1_000_000

/**
 * A queue that dead-letters what overflows has to drop its oldest, and with that the broker dead-letters at most once; where nothing can
 * overflow it refuses to, and dead-letters at least once.
 */
function argumentsOf(name: string, { maxLength, ttlMs }: TopicQueue, deadLetterExchange: string): object {
  const isLimited = maxLength !== undefined
  return {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': true,
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': deadLetterExchange,
    'x-dead-letter-routing-key': deadLetterQueue(name),
    ...(isLimited
      ? { 'x-overflow': 'drop-head', 'x-max-length': maxLength }
      : { 'x-overflow': 'reject-publish', 'x-dead-letter-strategy': 'at-least-once' }),
    ...(ttlMs === undefined ? {} : { 'x-message-ttl': ttlMs }),
  }
}

function deadLetterQueue(queue: string): string {
  return `${queue}.dlq`
}

function unknown(kind: string, name: string, known: readonly string[]): ConfigurationError {
  return new ConfigurationError(`rabbitmq: the topology has no ${kind} ${name}, only ${known.join(', ')}.`)
}
