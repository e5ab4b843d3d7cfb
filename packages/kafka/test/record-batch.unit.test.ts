import { createRecordsBatch, type MessageRecord, NumericMap, Reader, readRecordsBatch } from '@platformatic/kafka'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type BatchFrame,
  headerBytes,
  headerName,
  outgoingRecord,
  type OutgoingRecord,
  recordBatch,
} from '../src/record-batch.ts'

interface Given {
  readonly key: string | null
  readonly value: Buffer
  readonly headers: readonly (readonly [name: string, text: string])[]
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some))
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ minLength: 100, maxLength: 40_000 }))
const given = fc.record({
  key: fc.option(fc.string({ unit: 'binary', maxLength: 100 })),
  value: fc.oneof(
    bytes,
    fc.uint8Array({ minLength: 8_000, maxLength: 20_000 }).map((large) => Buffer.from(large)),
  ),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 100 }), text), { maxLength: 20 }),
})
const frame = fc.record({
  producerId: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  firstSequence: fc.integer({ min: 0, max: 2_147_483_647 }),
  timestampMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
})

it('writes what the client writes, byte for byte, and no more than was counted', () => {
  fc.assert(
    fc.property(fc.array(given, { minLength: 1, maxLength: 10 }), frame, (records, by) => {
      expect(recordBatch(oursOf(records), by).equals(theirsOf(records, by))).toBe(true)
      const counted = oursOf(records).reduce((sum, { mostBytes }) => sum + mostBytes, 0)
      expect(recordBatch(oursOf(records), by).byteLength).toBeLessThanOrEqual(61 + counted)
    }),
  )
})

it('writes a batch of so many records that their places take three bytes', () => {
  const by = { producerId: 7n, producerEpoch: 2, firstSequence: 5, timestampMs: 1_000 }
  const records = Array.from({ length: 9_000 }, (_, n) => ({ key: null, value: Buffer.from(`${n}`), headers: [] }))
  expect(recordBatch(oursOf(records), by).equals(theirsOf(records, by))).toBe(true)
})

it('is read by the client as what was written', () => {
  const headers = [headerBytes(headerName('ce_type'), 'order.placed'), headerBytes(headerName('note'), 'Ä €')]
  const records = [outgoingRecord('k', Buffer.from('one'), headers), outgoingRecord(null, Buffer.of(), [])]
  const batch = readRecordsBatch(
    Reader.from(recordBatch(records, { producerId: 7n, producerEpoch: 2, firstSequence: 5, timestampMs: 1_000 })),
  )
  expect(batch).toMatchObject({ producerId: 7n, producerEpoch: 2, firstSequence: 5, firstTimestamp: 1_000n })
  expect(batch.records.map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null])).toEqual([
    ['k', 'one'],
    [null, expect.toBeOneOf(['', null])],
  ])
  expect(batch.records[0]?.headers.map((pair) => pair.map(String))).toEqual([
    ['ce_type', 'order.placed'],
    ['note', 'Ä €'],
  ])
})

function oursOf(records: readonly Given[]): OutgoingRecord[] {
  return records.map(({ key, value, headers }) =>
    outgoingRecord(
      key,
      value,
      headers.map(([name, content]) => headerBytes(headerName(name), content)),
    ),
  )
}

function theirsOf(records: readonly Given[], by: BatchFrame): Buffer {
  const messages = records.map(({ key, value, headers }): MessageRecord => ({
    ...{ topic: 'topic', partition: 1, value, timestamp: BigInt(by.timestampMs) },
    headers: new Map(headers.map(([name, content]) => [Buffer.from(name), Buffer.from(content)])),
    ...(key === null ? {} : { key: Buffer.from(key) }),
  }))
  const sequences = new NumericMap([['topic:1', by.firstSequence]])
  return createRecordsBatch(messages, { ...by, sequences }).buffer
}
