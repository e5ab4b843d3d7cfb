import type { WireMessage } from '@acuse/core'
import type { ConsumeMessage, Options } from 'amqplib'
import { propertiesOf, wireMessageOf } from '../src/wire.ts'

/** A message as RabbitMQ holds it. */
export interface HeldByRabbitMq {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

const persistent = 2

/** What is published, as the broker will hold it. */
export function heldOf(message: WireMessage): HeldByRabbitMq {
  const { headers, contentType, messageId } = propertiesOf(message)
  const properties = { contentType, messageId, deliveryMode: persistent }
  return held({ exchange: message.stream, routingKey: message.type }, { ...properties, headers }, message.body)
}

/** What has come. */
export function heldThere({ fields, properties, content }: ConsumeMessage): HeldByRabbitMq {
  return held(fields, properties, content)
}

function held(
  { exchange, routingKey }: Pick<ConsumeMessage['fields'], 'exchange' | 'routingKey'>,
  { headers, ...properties }: Partial<ConsumeMessage['properties']>,
  body: Uint8Array,
): HeldByRabbitMq {
  const given = Object.entries(properties).filter(([, value]) => value !== undefined)
  return {
    ...{ exchange, routingKey, properties: Object.fromEntries(sorted(given)) },
    headers: Object.fromEntries(sorted(Object.entries(headers ?? {}))),
    body: Buffer.from(body).toString(),
  }
}

/** How the plain client publishes it. */
export function optionsOf({ properties, headers }: HeldByRabbitMq): Options.Publish {
  return { ...properties, headers }
}

/** How it comes to a consumer. */
export function messageOf({ exchange, routingKey, properties, headers, body }: HeldByRabbitMq): WireMessage {
  const came = { fields: { exchange, routingKey }, properties: { ...properties, headers }, content: Buffer.from(body) }
  return wireMessageOf(came as unknown as ConsumeMessage)
}

function sorted<Value>(entries: readonly (readonly [string, Value])[]): readonly (readonly [string, Value])[] {
  return entries.toSorted(([one], [other]) => (one < other ? -1 : 1))
}
