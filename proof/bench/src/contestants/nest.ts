import 'reflect-metadata'
import { Controller, type INestMicroservice, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, type MicroserviceOptions, Payload, type RmqContext, Transport } from '@nestjs/microservices'
import { type ConfirmChannel, connect } from 'amqplib'
import type { BrokerPlace } from '../brokers/place.ts'
import { Tally } from '../loops.ts'
import { itemOf } from '../payload.ts'
import type { Drainer } from './contestant.ts'

const pattern = 'order.placed'
const loadingAtOnce = 2_000
const prefetchCount = 1_000
const queueOptions = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

/** A microservice of Nest, whose handler acks. */
export async function openNest({ url, place }: BrokerPlace): Promise<Drainer> {
  const loading = await connect(url)
  const channel = await loading.createConfirmChannel()
  await channel.assertQueue(place, queueOptions)
  let waiting = 0
  let tally = new Tally({ ms: 0, warmMs: 0 })
  const module = moduleWith(() => tally.add())
  return {
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      let begun = 0
      const loop = async (): Promise<void> => {
        while (begun < missing) await send(channel, place, { pattern, data: itemOf(begun++, keys).payload })
      }
      await Promise.all(Array.from({ length: loadingAtOnce }, loop))
      waiting += begun
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs }) => {
      tally = new Tally({ ms, warmMs })
      const service: INestMicroservice = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
        logger: false,
        transport: Transport.RMQ,
        options: { urls: [url], queue: place, noAck: false, prefetchCount, queueOptions },
      })
      await service.listen()
      const result = await tally.result
      await service.close()
      waiting -= tally.seen
      return result
    },
    close: () => loading.close(),
  }
}

/** Nest's own packet, as its client sends it. */
function send(channel: ConfirmChannel, queue: string, packet: object): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.sendToQueue(queue, Buffer.from(JSON.stringify(packet)), { persistent: true }, (error: unknown) => {
      if (error === null || error === undefined) resolve()
      else reject(error instanceof Error ? error : new Error('RabbitMQ refused a message.'))
    })
  })
}

/** Decorated by calls, as Node runs these sources without what decorators need. */
function moduleWith(onTaken: () => void): new () => object {
  class BenchController {
    handle(_: unknown, context: RmqContext): void {
      onTaken()
      context.getChannelRef().ack(context.getMessage())
    }
  }
  const { prototype } = BenchController
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'handle')
  if (descriptor === undefined) throw new Error('The handler is not there.')
  EventPattern(pattern)(prototype, 'handle', descriptor)
  Payload()(prototype, 'handle', 0)
  Ctx()(prototype, 'handle', 1)
  Controller()(BenchController)
  // oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is a class with nothing in it
  class BenchModule {}
  Module({ controllers: [BenchController] })(BenchModule)
  return BenchModule
}
