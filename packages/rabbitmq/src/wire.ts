import { createHash } from 'node:crypto'
import { partitionHash, priorities, type WireMessage } from '@acuse/core'
import type { ConsumeMessage, Options } from 'amqplib'

/** Headers that route a message and say what its properties cannot hold. All others are the codec's. */
export const headers = {
  id: 'acuse-id',
  key: 'acuse-key',
  lane: 'acuse-lane',
  partition: 'acuse-partition',
} as const

const ownHeaders: ReadonlySet<string> = new Set(Object.values(headers))
/** How often the broker has handed it out before; the broker's own. */
const deliveryCountHeader = 'x-delivery-count'
/** What AMQP holds in a property or a routing key. */
const longestShortText = 255

/** The properties with which a message is published; its stream is the exchange and its type the routing key. */
export function propertiesOf(message: WireMessage): Options.Publish {
  const { id, key, priority, partitions } = message
  const contentType = message.headers['content-type']
  const isShort = contentType !== undefined && Buffer.byteLength(contentType) <= longestShortText
  const own: Record<string, string | number> = {}
  // An object that something was deleted from is slow for good.
  for (const [name, value] of Object.entries(message.headers)) {
    if (!isShort || name !== 'content-type') own[name] = value
  }
  if (key !== null) own[headers.key] = key
  if (partitions !== undefined) own[headers.partition] = partitionHash(message) % partitions
  own[headers.lane] = priority
  if (Buffer.byteLength(id) > longestShortText) own[headers.id] = id
  return {
    persistent: true,
    mandatory: true,
    headers: own,
    ...(isShort ? { contentType } : {}),
    ...(headers.id in own ? {} : { messageId: id }),
  }
}

/** The properties for readers that are not ours: what the codec says, and the message's id. */
export function foreignPropertiesOf({ id, type, headers: given }: WireMessage, mandatory: boolean): Options.Publish {
  const { 'content-type': contentType, ...rest } = given
  return {
    persistent: true,
    mandatory,
    type,
    headers: rest,
    ...(contentType === undefined ? {} : { contentType }),
    ...(Buffer.byteLength(id) > longestShortText ? {} : { messageId: id }),
  }
}

/** A message as it came. One that nobody gave an id has the same one each time it comes: its event's, or one made of what it is. */
export function wireMessageOf({ fields, properties, content }: ConsumeMessage): WireMessage {
  const given: Record<string, unknown> = properties.headers ?? {}
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    if (!ownHeaders.has(name) && name !== deliveryCountHeader) texts[name] = textOf(value)
  }
  const contentType: unknown = properties.contentType
  if (typeof contentType === 'string') texts['content-type'] = contentType
  const key = given[headers.key] ?? texts['ce-partitionkey']
  const lane = given[headers.lane]
  return {
    id: idOf([given[headers.id], properties.messageId, texts['ce-id']], fields, content),
    type: fields.routingKey,
    stream: fields.exchange,
    key: typeof key === 'string' ? key : null,
    priority: priorities.find((priority) => priority === lane) ?? 'normal',
    headers: texts,
    body: content,
  }
}

/** How often it was handed out before. */
export function deliveryCountOf({ properties }: ConsumeMessage): number {
  const count: unknown = properties.headers?.[deliveryCountHeader]
  return typeof count === 'number' ? count : 0
}

function idOf(said: readonly unknown[], { exchange, routingKey }: ConsumeMessage['fields'], content: Buffer): string {
  const id = said.find((one) => typeof one === 'string' && one !== '')
  if (typeof id === 'string') return id
  return createHash('sha256').update(`${exchange}\u0000${routingKey}\u0000`).update(content).digest('hex')
}

/** A header's value as a text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
