import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { uniqueName } from '@acuse/testing/conformance'
import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open, refusal } from './support.ts'

/** As the group's queue would be, but for what a row changes. */
const safe = (queue: string): Record<string, unknown> => ({
  'x-queue-type': 'quorum',
  'x-single-active-consumer': true,
  'x-overflow': 'reject-publish',
  'x-delivery-limit': 1_000_000,
  'x-dead-letter-exchange': '',
  'x-dead-letter-routing-key': `${queue}.dlq`,
  'x-dead-letter-strategy': 'at-least-once',
})

const without =
  (name: string) =>
  (args: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(args).filter(([key]) => key !== name))

interface Row {
  readonly row: string
  readonly setting: string
  readonly change: (args: Record<string, unknown>) => Record<string, unknown>
}

const rows: readonly Row[] = [
  {
    row: 'a classic queue, which is gone with its node',
    setting: 'x-queue-type',
    change: (args) => ({
      ...without('x-delivery-limit')(without('x-dead-letter-strategy')(args)),
      'x-queue-type': 'classic',
    }),
  },
  {
    row: 'a queue that drops the oldest when it is full',
    setting: 'x-overflow',
    change: (args) => ({ ...args, 'x-overflow': 'drop-head' }),
  },
  {
    row: 'a queue that dead-letters at most once',
    setting: 'x-dead-letter-strategy',
    change: (args) => ({ ...args, 'x-dead-letter-strategy': 'at-most-once' }),
  },
  {
    row: 'a queue whose dead letters go nowhere',
    setting: 'x-dead-letter-exchange',
    change: (args) => without('x-dead-letter-exchange')(without('x-dead-letter-routing-key')(args)),
  },
  {
    row: 'a queue that gives messages to several consumers at once',
    setting: 'x-single-active-consumer',
    change: without('x-single-active-consumer'),
  },
  {
    row: 'a queue with a delivery limit that takes messages away soon',
    setting: 'x-delivery-limit',
    change: (args) => ({ ...args, 'x-delivery-limit': 3 }),
  },
]

describe.each(['3.10', '4.0'] as const)('RabbitMQ %s', (release) => {
  let server: RabbitMq
  let admin: ChannelModel

  beforeAll(async () => {
    server = await startRabbitMq({ release })
    admin = await connect(server.url)
  })
  afterAll(async () => {
    await admin.close()
    await server[Symbol.asyncDispose]()
  })

  it.each(rows)('refuses $row, by name and with both values, and leaves it as it is', async ({ setting, change }) => {
    const [stream, group] = [uniqueName('stream'), uniqueName('group')]
    const channel = await admin.createChannel()
    await channel.assertQueue(group, { durable: true, arguments: change(safe(group)) })
    channel.sendToQueue(group, Buffer.from('what is in it'), { persistent: true })
    await using opened = await open(server.url)
    const error = await refusal(opened.consume({ stream, group }))
    expect(error.code).toBe('ACUSE_UNSAFE_SETTING')
    expect(error.message).toContain(setting)
    expect(error.message).toContain(group)
    expect(error.message).toMatch(/received .* but current is/)
    expect(error.message).toContain('Acuse never deletes it')
    expect((await channel.checkQueue(group)).messageCount).toBe(1)
    await channel.close()
  })
})
