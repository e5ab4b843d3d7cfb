import { type MessageType, type OutgoingMessage, type StandardSchema, stream } from '@acuse/core'
import type { Item, Payload } from '../payload.ts'

/** The peers do not look into a payload either. */
const unchecked: StandardSchema<Payload> = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Payload }) },
}

export const Keyed: MessageType<Payload> = keyedOf('keyed')
export const Unkeyed: MessageType<Payload> = unkeyedOf('unkeyed')

/** Keyed messages of a stream of that name. */
export function keyedOf(name: string): MessageType<Payload> {
  return stream(name).message('order.placed', { schema: unchecked, key: ({ customer }) => customer })
}

export function unkeyedOf(name: string): MessageType<Payload> {
  return stream(name).message('notice.sent', { schema: unchecked })
}

export function messageOf({ key, payload }: Item): OutgoingMessage<Payload> {
  return key === null ? Unkeyed(payload) : Keyed(payload)
}
