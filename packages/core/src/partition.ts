import { crc32 } from 'node:zlib'
import type { WireMessage } from './message.ts'

/**
 * The hash that spreads keys over partitions: CRC-32 (IEEE) of the key's UTF-8 bytes, as an unsigned number.
 * An unkeyed message is spread by its id. The partition is this modulo the stream's partition count, in every service and language.
 */
export function partitionHash(message: Pick<WireMessage, 'key' | 'id'>): number {
  return crc32(message.key ?? message.id)
}
