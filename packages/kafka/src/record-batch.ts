import { crc32c } from '@platformatic/kafka'

/** A record as it is written. */
export interface OutgoingRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  /** Each with its name, as `headerBytes` gives it. */
  readonly headers: readonly Uint8Array[]
  /** How many bytes they have together. */
  readonly headersLength: number
  /** At most how many bytes it has in a batch. */
  readonly mostBytes: number
}

/** Who writes a batch, and as what. */
export interface BatchFrame {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** How many records of this producer the partition has before it. */
  readonly firstSequence: number
  readonly timestampMs: number
}

const headBytes = 61
/** What is counted by the length in the head, and by the checksum, begins here. */
const afterLength = 12
const afterChecksum = 21
const formatVersion = 2
/** The attributes, the time and the lengths of a record. */
const mostFrameBytes = 40

/**
 * Records as the broker stores them, in one piece. The client makes a buffer of each number and puts thousands of them together: that was
 * 38 to 42 % of what a relay's process cost.
 *
 * Source: Kafka's message format, record batch version 2.
 */
export function recordBatch(records: readonly OutgoingRecord[], frame: BatchFrame): Buffer {
  const batch = Buffer.allocUnsafe(records.reduce((sum, { mostBytes }) => sum + mostBytes, headBytes))
  let end = headBytes
  for (const [index, record] of records.entries()) end = putRecord(batch, end, record, index)
  const timestamp = BigInt(frame.timestampMs)
  batch.writeBigInt64BE(0n, 0) // the broker gives the offset
  batch.writeInt32BE(end - afterLength, 8)
  batch.writeInt32BE(0, 12) // of whom leads the partition
  batch.writeInt8(formatVersion, 16)
  batch.writeInt16BE(0, 21) // nothing compressed, no transaction
  batch.writeInt32BE(records.length - 1, 23)
  batch.writeBigInt64BE(timestamp, 27)
  batch.writeBigInt64BE(timestamp, 35)
  batch.writeBigInt64BE(frame.producerId, 43)
  batch.writeInt16BE(frame.producerEpoch, 51)
  batch.writeInt32BE(frame.firstSequence, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(afterChecksum, end)), 17)
  return batch.subarray(0, end)
}

/** A record with these headers. The bytes of the value are not copied. */
export function outgoingRecord(
  keyText: string | null,
  value: Uint8Array,
  headers: readonly Uint8Array[],
): OutgoingRecord {
  const key = keyText === null ? null : Buffer.from(keyText)
  let headersLength = 0
  for (const header of headers) headersLength += header.byteLength
  const mostBytes = mostFrameBytes + (key?.byteLength ?? 0) + value.byteLength + headersLength
  return { key, value, headers, headersLength, mostBytes }
}

/** A header's name as it is written, for `headerBytes`. */
export function headerName(name: string): Buffer {
  const bytes = Buffer.from(name)
  const written = Buffer.allocUnsafe(varintBytes(bytes.byteLength) + bytes.byteLength)
  written.set(bytes, putVarint(written, 0, bytes.byteLength))
  return written
}

/** A header as it is written. */
export function headerBytes(name: Uint8Array, text: string): Buffer {
  const length = Buffer.byteLength(text)
  const written = Buffer.allocUnsafe(name.byteLength + varintBytes(length) + length)
  written.set(name)
  written.write(text, putVarint(written, name.byteLength, length))
  return written
}

function putRecord(batch: Buffer, start: number, record: OutgoingRecord, index: number): number {
  const { key, value, headers, headersLength } = record
  const keyBytes = key === null ? 1 : varintBytes(key.byteLength) + key.byteLength
  const valueBytes = varintBytes(value.byteLength) + value.byteLength
  const bytes = 2 + varintBytes(index) + keyBytes + valueBytes + varintBytes(headers.length) + headersLength
  let at = putVarint(batch, start, bytes)
  batch[at++] = 0 // no attributes
  batch[at++] = 0 // as old as the batch
  at = putVarint(batch, at, index)
  at = key === null ? putVarint(batch, at, -1) : putBytes(batch, putVarint(batch, at, key.byteLength), key)
  at = putBytes(batch, putVarint(batch, at, value.byteLength), value)
  at = putVarint(batch, at, headers.length)
  for (const header of headers) at = putBytes(batch, at, header)
  return at
}

function putBytes(batch: Buffer, at: number, bytes: Uint8Array): number {
  batch.set(bytes, at)
  return at + bytes.byteLength
}

/** Seven bits a byte, the lowest first, of a number whose sign is its last bit. */
function putVarint(batch: Buffer, start: number, value: number): number {
  let at = start
  let rest = zigzag(value)
  while (rest > 0x7f) {
    batch[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  batch[at++] = rest
  return at
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = zigzag(value); rest > 0x7f; rest >>>= 7) bytes++
  return bytes
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}
