import assert from 'node:assert/strict'
import type { RecordsBatch } from '@platformatic/kafka'
import { it } from 'vitest'
import { CommittedRecords } from '../src/records.ts'

const transactional = 1 << 4
const control = 1 << 5
const abort = Buffer.from([0, 0, 0, 0])
const commit = Buffer.from([0, 0, 0, 1])

interface Given {
  readonly first: number
  readonly count?: number
  readonly producer?: bigint
  readonly marker?: Buffer
}

function batch({ first, count = 1, producer, marker }: Given): RecordsBatch {
  const isControl = marker !== undefined
  return {
    ...{ firstOffset: BigInt(first), length: 0, partitionLeaderEpoch: 0, magic: 2, crc: 0, firstSequence: 0 },
    attributes: (producer === undefined ? 0 : transactional) | (isControl ? control : 0),
    lastOffsetDelta: count - 1,
    ...{ firstTimestamp: 0n, maxTimestamp: 0n, producerId: producer ?? -1n, producerEpoch: 0 },
    records: Array.from({ length: count }, (_, offsetDelta) => ({
      ...{ length: 0, attributes: 0, timestampDelta: 0n, offsetDelta, value: null, headers: [] },
      key: marker ?? null,
    })),
  }
}

it('leaves out what transactions wrote that were rolled back, and the markers of their ends', () => {
  const batches = [
    batch({ first: 0, count: 2 }),
    batch({ first: 2, producer: 7n }),
    batch({ first: 3, producer: 8n }),
    batch({ first: 4, producer: 7n, marker: abort }),
    batch({ first: 5, producer: 7n }),
    batch({ first: 6, producer: 8n, marker: commit }),
    batch({ first: 7, producer: 7n, marker: commit }),
  ]
  const records = [...new CommittedRecords(batches, [{ producerId: 7n, firstOffset: 2n }])]
  assert.deepEqual(
    records.map(({ offset }) => offset),
    [0, 1, 3, 5],
  )
})
