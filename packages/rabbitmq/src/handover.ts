import type { Channel } from 'amqplib'
import type { Connection } from './connection.ts'
import { handoverQueue } from './topology.ts'

/**
 * The broker tells of a message only that it was out before, not whether its owner died with it or let go of it. So who lets go leaves a
 * note of what it had never begun, with the delivery count of each, in a queue beside the group's.
 */
export async function writeHandover(
  { model }: Connection,
  queue: string,
  unbegun: ReadonlyMap<string, number>,
): Promise<void> {
  const channel = await model.createConfirmChannel()
  channel.on('error', () => undefined)
  channel.sendToQueue(handoverQueue(queue), Buffer.from(JSON.stringify([...unbegun])), { persistent: true })
  await channel.waitForConfirms()
  await channel.close()
}

/** Takes all notes there are. */
export async function readHandover(channel: Channel, queue: string): Promise<ReadonlyMap<string, number>> {
  const unbegun = new Map<string, number>()
  for (;;) {
    const note = await channel.get(handoverQueue(queue), { noAck: false })
    if (note === false) return unbegun
    const noted: unknown = JSON.parse(note.content.toString())
    for (const entry of Array.isArray(noted) ? noted : []) {
      const [id, count]: readonly unknown[] = Array.isArray(entry) ? entry : []
      if (typeof id === 'string' && typeof count === 'number') unbegun.set(id, count)
    }
    channel.ack(note)
  }
}
