import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  type ClientProxy,
  ClientProxyFactory,
  Ctx,
  EventPattern,
  Payload,
  type RmqContext,
  type RmqOptions,
  Transport,
} from '@nestjs/microservices'
import type { Channel, ConsumeMessage } from 'amqplib'
import { lastValueFrom } from 'rxjs'
import type { Numbered } from './broker.ts'

/** A producer and a consumer as `@nestjs/microservices` makes them, over a topic exchange and a durable queue. */
export interface NestPair extends AsyncDisposable {
  /** What its consumer has handled, by number. */
  readonly handled: readonly number[]
  emit(event: Numbered): Promise<void>
}

export const nestExchange = 'nest.events'
export const nestQueue = 'nest.orders'

/** Starts it, as it runs before anybody thinks of Acuse. */
export async function startNestPair(url: string): Promise<NestPair> {
  const handled: number[] = []
  const options = (): RmqOptions => ({
    transport: Transport.RMQ,
    options: {
      ...{ urls: [url], queue: nestQueue, queueOptions: { durable: true }, persistent: true },
      ...{ exchange: nestExchange, exchangeType: 'topic', wildcards: true, noAck: false, prefetchCount: 5 },
    },
  })
  const consumer = await NestFactory.createMicroservice(listening(handled), {
    ...{ ...options(), logger: false, abortOnError: false },
  })
  await consumer.listen()
  const { options: shared, ...base } = options()
  const client: ClientProxy = ClientProxyFactory.create({ ...base, options: { ...shared, noAck: true } })
  await client.connect()
  return {
    handled,
    emit: async (event) => {
      await lastValueFrom(client.emit('order.placed', event), { defaultValue: undefined })
    },
    async [Symbol.asyncDispose]() {
      await client.close()
      await consumer.close()
    },
  }
}

/** A module whose controller acks each event once it has written it down. */
function listening(handled: number[]): new () => object {
  class Listener {
    take(event: Numbered, context: RmqContext): void {
      handled.push(event.n)
      const channel = context.getChannelRef() as Channel
      channel.ack(context.getMessage() as unknown as ConsumeMessage)
    }
  }
  const method = Object.getOwnPropertyDescriptor(Listener.prototype, 'take')
  if (method === undefined) throw new Error('the class has no such method')
  Controller()(Listener)
  EventPattern('order.*')(Listener.prototype, 'take', method)
  Payload()(Listener.prototype, 'take', 0)
  Ctx()(Listener.prototype, 'take', 1)
  class Listening {
    readonly listener = Listener
  }
  Module({ controllers: [Listener] })(Listening)
  return Listening
}
