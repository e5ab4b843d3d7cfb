import type { Codec } from './codec.ts'
import { AcuseError } from './errors.ts'
import type { AnyMessageType, Message, WireMessage } from './message.ts'
import { validate } from './schema.ts'

/**
 * Decodes a message and brings its data to the type's current version and the schema's output.
 * Throws `ACUSE_UNDECODABLE`, `ACUSE_UNKNOWN_VERSION` or `ACUSE_SCHEMA_MISMATCH`: trying again cannot help.
 */
export async function decode(wire: WireMessage, type: AnyMessageType, codec: Codec): Promise<Message> {
  const envelope = codec.decode(wire)
  const subject = `message ${wire.type} ${wire.id}`
  const data = await validate(type.schema, upcast(envelope.data, envelope.version, type, subject), subject)
  // What routes a tenant's message has the tenant in it; the envelope has the key as its type made it.
  const key = envelope.tenant === null ? wire.key : (envelope.key ?? wire.key)
  return { ...envelope, id: wire.id, type: wire.type, version: type.version, stream: wire.stream, key, data }
}

function upcast(data: unknown, version: number, type: AnyMessageType, subject: string): unknown {
  if (version > type.version) {
    throw new AcuseError(
      'ACUSE_UNKNOWN_VERSION',
      `${subject} has version ${version}, but this service knows ${type.name} up to ${type.version}. Deploy the consumers first, then replay.`,
    )
  }
  let current = data
  for (let step = version; step < type.version; step++) {
    const upcaster = type.upcasters[step]
    if (upcaster === undefined) {
      throw new AcuseError(
        'ACUSE_UNKNOWN_VERSION',
        `${subject} has version ${version}, and ${type.name} has no upcaster from ${step} to ${step + 1}.`,
      )
    }
    try {
      current = upcaster(current)
    } catch (cause) {
      throw new AcuseError('ACUSE_UNDECODABLE', `${subject}: the upcaster from version ${step} threw.`, { cause })
    }
  }
  return current
}
