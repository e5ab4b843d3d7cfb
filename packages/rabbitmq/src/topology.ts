import { priorities, type Priority, type SourceStream } from '@acuse/core'
import type { Channel } from 'amqplib'
import type { Connection } from './connection.ts'
import { headers } from './wire.ts'

/** Messages for a queue that is missing end here, where nothing fits in: the broker refuses them, and the relay hears of it. */
const tripwire = 'acuse.missing'
const tripwireLimit = 0

export interface GroupQueue {
  readonly name: string
  readonly priority: Priority
  /** Which headers a message must have to be for this queue; null for all of the group's. */
  readonly match: Readonly<Record<string, string | number>> | null
}

export interface GroupShape {
  readonly group: string
  readonly streams: readonly SourceStream[]
  readonly types: readonly string[] | 'all'
  readonly deliveryLimit: number
  readonly newQueueMs: number
}

/** The queues of a group: one, or one for each partition and each priority where it asks for them. */
export function queuesOf(
  group: string,
  streams: readonly SourceStream[],
  { partitioned, prioritized }: { readonly partitioned: boolean; readonly prioritized: boolean },
): GroupQueue[] {
  if (!partitioned && !prioritized) return [{ name: group, priority: 'normal', match: null }]
  const count = partitioned ? Math.max(1, ...streams.map(({ partitions }) => partitions)) : 1
  return Array.from({ length: count }, (_, partition) => partition).flatMap((partition) =>
    (prioritized ? priorities : (['normal'] as const)).map((priority) => ({
      name: [group, ...(partitioned ? [String(partition)] : []), ...(priority === 'normal' ? [] : [priority])].join(
        '.',
      ),
      priority,
      match: {
        ...(partitioned ? { [headers.partition]: partition } : {}),
        ...(prioritized ? { [headers.lane]: priority } : {}),
      },
    })),
  )
}

/**
 * A stream is a topic exchange whose routing keys are the types. Its alternate exchange has the partition count in its name, as that is
 * the one argument of an exchange that the broker compares: who declares another number is refused.
 */
export async function declareStream(channel: Channel, { name, partitions }: SourceStream): Promise<void> {
  const marker = `acuse.partitions-${partitions}`
  await channel.assertExchange(marker, 'fanout', { durable: true })
  await channel.assertExchange(name, 'topic', { durable: true, alternateExchange: marker })
}

/** A classic queue that takes nothing: it answers every message with a refusal, which a quorum queue does only after some. */
export async function declareTripwire(channel: Channel): Promise<void> {
  await channel.assertExchange(tripwire, 'fanout', { durable: true })
  await channel.assertQueue(tripwire, {
    durable: true,
    maxLength: tripwireLimit,
    arguments: { 'x-queue-type': 'classic', 'x-overflow': 'reject-publish' },
  })
  await channel.bindQueue(tripwire, tripwire, '')
}

/**
 * Declares what brings a queue its messages. The group's exchange takes from its streams what the group asks for, and gives it to the group's queues. It outlives them: what
 * comes for a queue that was deleted goes to the tripwire and is refused, so that its publisher keeps it.
 */
export async function declareGroup(channel: Channel, queue: GroupQueue, shape: GroupShape): Promise<void> {
  const { group, streams, types } = shape
  const { name, match } = queue
  await declareTripwire(channel)
  const exchange = groupExchange(group)
  await channel.assertExchange(exchange, match === null ? 'fanout' : 'headers', {
    durable: true,
    alternateExchange: tripwire,
  })
  await channel.bindQueue(name, exchange, '', match === null ? {} : { 'x-match': 'all', ...match })
  // Last, so that nothing is sent to the group before its queue is there.
  for (const stream of streams) {
    await declareStream(channel, stream)
    for (const type of types === 'all' ? ['#'] : types) await channel.bindExchange(exchange, stream.name, type)
  }
}

/** Which queue keeps what an owner that let go cleanly had never begun. */
export function handoverQueue(queue: string): string {
  return `${queue}.handover`
}

/** Declares a queue, and beside it those for its handover and for what the broker takes out of it. */
export async function declareQueue(channel: Channel, name: string, deliveryLimit: number): Promise<void> {
  const deadLetters = `${name}.dlq`
  await channel.assertQueue(deadLetters, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await channel.assertQueue(handoverQueue(name), { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await channel.assertQueue(name, {
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-single-active-consumer': true,
      'x-overflow': 'reject-publish',
      'x-delivery-limit': deliveryLimit,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': deadLetters,
      'x-dead-letter-strategy': 'at-least-once',
    },
  })
}

/** The server answers that a queue is missing by closing the channel, so it is asked on one of its own. */
export async function isThere({ model }: Connection, queue: string): Promise<boolean> {
  const channel = await model.createChannel()
  channel.on('error', () => undefined)
  try {
    await channel.checkQueue(queue)
  } catch {
    return false
  }
  await channel.close()
  return true
}

function groupExchange(group: string): string {
  return `acuse.group.${group}`
}
