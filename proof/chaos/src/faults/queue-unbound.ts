import type { Channel, ChannelModel } from 'amqplib'
import { groups } from '../plan.ts'
import type { Fault, World } from './fault.ts'

/**
 * What brings a group's queue its messages is taken away for a moment, as by somebody who deletes a binding of RabbitMQ. What is published
 * meanwhile has to be refused: a broker confirms what reaches nobody.
 */
export const queueUnbound: Fault = {
  name: 'queue-unbound',
  perRun: 5.5,
  async strike(world, random) {
    const group = random.pick(groups)
    if (group === undefined) return undefined
    let struck = false
    await world.brokerTurn(async () => {
      const taken = await onChannel(world, (channel) => channel.unbindQueue(group, exchangeOf(group), '')).catch(absent)
      if (taken === undefined) return
      struck = true
      await world.pause(random.whole(300, 1_500))
      await onChannel(world, (channel) => channel.bindQueue(group, exchangeOf(group), ''))
    })
    return struck ? `took the binding of group ${group}'s queue away` : undefined
  },
}

/** The exchange of its own that Acuse gives a group. */
function exchangeOf(group: string): string {
  return `acuse.group.${group}`
}

/** Where the broker is away just now, there is nothing to be taken. */
function absent(): undefined {
  return undefined
}

async function onChannel<T>({ broker }: World, work: (channel: Channel) => Promise<T>): Promise<T> {
  // Every process of the run loads the faults; only the controller needs the client.
  const { connect } = await import('amqplib')
  const [url = ''] = broker.urlAt(broker.ports).split(',')
  const connection: ChannelModel = await connect(url)
  connection.on('error', absent)
  try {
    const channel = await connection.createChannel()
    channel.on('error', absent)
    return await work(channel)
  } finally {
    await connection.close().catch(absent)
  }
}
