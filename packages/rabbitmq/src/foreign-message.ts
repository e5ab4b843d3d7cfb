import type { ForeignMessage } from '@acuse/core'
import type { ConsumeMessage } from 'amqplib'
import { deliveryCountOf, textOf } from './wire.ts'

/** Properties of AMQP that go along as headers, by the name they have there. */
const properties = {
  'content-type': 'contentType',
  'content-encoding': 'contentEncoding',
  'correlation-id': 'correlationId',
  'reply-to': 'replyTo',
  'message-id': 'messageId',
  type: 'type',
  'app-id': 'appId',
} as const

/** A message as it came. One that was dead-lettered has the address it had at first. */
export function foreignMessageOf(message: ConsumeMessage, isDeadLetter: boolean): ForeignMessage {
  const { fields, content } = message
  const given: Record<string, unknown> = message.properties.headers ?? {}
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) headers[name] = textOf(value)
  for (const [name, property] of Object.entries(properties)) {
    const value: unknown = message.properties[property]
    if (typeof value === 'string') headers[name] = value
  }
  const seconds: unknown = message.properties.timestamp
  return {
    address: (isDeadLetter ? firstAddress(given['x-death']) : undefined) ?? fields.routingKey,
    id: headers['message-id'] ?? null,
    key: null,
    time: typeof seconds === 'number' ? new Date(seconds * 1_000) : null,
    headers,
    body: content,
    ...(isDeadLetter ? takenOut(headers['x-first-death-reason']) : {}),
  }
}

/** In our words; anything else is given in those of the broker. */
const reasons: Readonly<Record<string, string>> = { expired: 'it had expired', maxlen: 'the queue was full' }

function takenOut(reason: string | undefined): Pick<ForeignMessage, 'takenOut'> {
  return reason === undefined ? {} : { takenOut: reasons[reason] ?? reason }
}

/** Whether somebody had it before, who may have begun it. */
export function mayBeBegun(message: ConsumeMessage): boolean {
  return message.fields.redelivered || deliveryCountOf(message) > 0
}

/** The oldest entry is the last one. */
function firstAddress(deaths: unknown): string | undefined {
  const entries: readonly unknown[] = Array.isArray(deaths) ? deaths : []
  const first = entries.at(-1)
  if (typeof first !== 'object' || first === null || !('routing-keys' in first)) return undefined
  const keys: unknown = first['routing-keys']
  const key: unknown = Array.isArray(keys) ? keys[0] : undefined
  return typeof key === 'string' ? key : undefined
}
