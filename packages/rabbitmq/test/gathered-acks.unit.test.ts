import { createVirtualClock, type VirtualClock } from '@acuse/testing'
import type { Channel, ConsumeMessage } from 'amqplib'
import { beforeEach, describe, expect, test } from 'vitest'
import { GatheredAcks } from '../src/gathered-acks.ts'

let clock: VirtualClock
let sent: string[]
let open: boolean
let closing: boolean
let acks: GatheredAcks

beforeEach(() => {
  clock = createVirtualClock()
  sent = []
  open = true
  closing = false
  const channel = {
    ack: ({ fields }: ConsumeMessage, upTo = false) => {
      if (closing) throw new Error('Channel closing')
      sent.push(`${upTo ? 'to ' : ''}${fields.deliveryTag}`)
    },
  } as unknown as Channel
  acks = new GatheredAcks(channel, clock, () => open)
})

const messageOf = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as unknown as ConsumeMessage
const came = (...tags: number[]): void => tags.forEach((tag) => acks.came(messageOf(tag)))
const ack = (...tags: number[]): void => tags.forEach((tag) => acks.ack(messageOf(tag)))
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('gathered acks', () => {
  test('take one frame for what came first, in whatever order it is done', async () => {
    came(1, 2, 3, 4)
    ack(3, 1, 2)
    expect(sent).toEqual([])
    await turn()
    expect(sent).toEqual(['to 3'])
    ack(4)
    await turn()
    expect(sent).toEqual(['to 3', 'to 4'])
  })

  test('never ack what is not done: what is ahead of it waits 5 ms, and is acked by itself', async () => {
    came(1, 2, 3, 4)
    ack(1, 3, 4)
    await turn()
    expect(sent).toEqual(['to 1'])
    await clock.advance({ ms: 4 })
    expect(sent).toEqual(['to 1'])
    await clock.advance({ ms: 1 })
    expect(sent).toEqual(['to 1', '3', '4'])
    ack(2)
    await turn()
    expect(sent).toEqual(['to 1', '3', '4', 'to 2'])
  })

  test('have what waited acked with the rest, where that is done meanwhile', async () => {
    came(1, 2, 3)
    ack(2)
    await turn()
    ack(1)
    await turn()
    expect(sent).toEqual(['to 2'])
    await clock.advance({ ms: 5 })
    expect(sent).toEqual(['to 2'])
  })

  test('go beyond tags that are of no message', async () => {
    came(1, 4)
    ack(4, 1)
    await turn()
    expect(sent).toEqual(['to 4'])
  })

  test('are all sent when that is asked for', () => {
    came(1, 2, 3)
    ack(3, 1)
    acks.flush()
    expect(sent).toEqual(['to 1', '3'])
  })

  test('do no harm while the channel is closing, which amqplib says by throwing', async () => {
    came(1, 2, 3)
    ack(1, 3)
    closing = true
    await turn()
    await clock.advance({ ms: 5 })
    expect(sent).toEqual([])
  })

  test('are for nobody once the channel is gone', async () => {
    came(1, 2, 3)
    ack(1, 3)
    open = false
    await turn()
    await clock.advance({ ms: 5 })
    acks.flush()
    expect(sent).toEqual([])
  })
})
