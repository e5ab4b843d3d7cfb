import { randomUUID } from 'node:crypto'
import {
  type AcuseError,
  type Delivery,
  type Sink,
  type Source,
  type Subscription,
  systemClock,
  type Transport,
  type WireMessage,
} from '@acuse/core'
import { nats, type NatsOptions } from '@acuse/nats'
import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { onTestFinished } from 'vitest'

export const partitions = 4

/** A transport that is disposed of with its test, and what it reported. */
export interface Opened {
  readonly transport: Transport
  readonly errors: AcuseError[]
}

export async function open(url: string, options: NatsOptions = {}): Promise<Opened> {
  const errors: AcuseError[] = []
  const context = {
    service: 'test',
    instance: randomUUID(),
    clock: systemClock,
    onError: (error: AcuseError) => void errors.push(error),
  }
  const transport = await nats(url, options)(context)
  onTestFinished(() => transport[Symbol.asyncDispose]())
  return { transport, errors }
}

export function uniqueName(prefix: string): string {
  return `${prefix}.${randomUUID().slice(0, 8)}`
}

export function message(stream: string, label: string, parts: Partial<WireMessage> = {}): WireMessage {
  return {
    id: randomUUID(),
    type: 'test.happened',
    stream,
    partitions,
    key: null,
    priority: 'normal',
    headers: {},
    body: Buffer.from(label),
    ...parts,
  }
}

/** What came, and whether it is acked at once. */
export interface Got extends Sink {
  readonly deliveries: Delivery[]
  labels(): string[]
}

export function sink(ack = true): Got {
  const deliveries: Delivery[] = []
  return {
    deliveries,
    labels: () => deliveries.map((delivery) => Buffer.from(delivery.message.body).toString()),
    deliver: (given) => {
      deliveries.push(...given)
      if (ack) for (const delivery of given) delivery.ack()
    },
    revoke: async () => undefined,
  }
}

export async function consume(
  transport: Transport,
  to: Sink,
  source: Partial<Source> & { readonly streams: Source['streams'] },
): Promise<Subscription> {
  return transport.consume({ group: uniqueName('group'), types: 'all', from: 'now', prefetch: 100, ...source }, to)
}

export async function publish(transport: Transport, messages: readonly WireMessage[]): Promise<readonly string[]> {
  const results = await transport.publish(messages, AbortSignal.timeout(30_000))
  return results.map((result) => (result.state === 'failed' ? result.error.code : result.state))
}

/** Asks JetStream something, as its own tools do. */
export async function ask<T>(client: NatsConnection, method: string, question: object = {}): Promise<T> {
  const answered = await client.request(`$JS.API.${method}`, JSON.stringify(question))
  const answer = answered.json<T & { readonly error?: { readonly description: string } }>()
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.description}`)
  return answer
}

/** Changes settings of a stream, and leaves the others. */
export async function editStream(client: NatsConnection, name: string, settings: Partial<StreamConfig>): Promise<void> {
  const { config } = await ask<StreamInfo>(client, `STREAM.INFO.${name}`)
  await ask(client, `STREAM.UPDATE.${name}`, { ...config, ...settings })
}

/** The stream of JetStream that holds one of Acuse. */
export function streamOf(stream: string): string {
  return `acuse-${stream.replaceAll('.', '=')}`
}
