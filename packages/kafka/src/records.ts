import { IS_CONTROL, IS_TRANSACTIONAL, type KafkaRecord, type RecordsBatch } from '@platformatic/kafka'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** The type of a control record that ends a transaction which was rolled back. */
const abortMarker = 0

/** The records of batches without those of transactions that were rolled back, and without what marks their ends. */
export class CommittedRecords implements Iterable<{ readonly offset: number; readonly record: KafkaRecord }> {
  readonly #batches: readonly RecordsBatch[]
  readonly #aborted: readonly AbortedTransaction[]

  constructor(batches: readonly RecordsBatch[], aborted: readonly AbortedTransaction[]) {
    this.#batches = batches
    this.#aborted = aborted.toSorted((one, other) => Number(one.firstOffset - other.firstOffset))
  }

  *[Symbol.iterator](): Iterator<{ readonly offset: number; readonly record: KafkaRecord }> {
    const left = [...this.#aborted]
    const rolledBack = new Set<bigint>()
    for (const { firstOffset, lastOffsetDelta, attributes, producerId, records } of this.#batches) {
      const last = firstOffset + BigInt(lastOffsetDelta)
      while (left[0] !== undefined && left[0].firstOffset <= last) rolledBack.add(left.shift()?.producerId ?? -1n)
      if ((attributes & IS_CONTROL) !== 0) {
        if (records[0]?.key?.readInt16BE(2) === abortMarker) rolledBack.delete(producerId)
        continue
      }
      if ((attributes & IS_TRANSACTIONAL) !== 0 && rolledBack.has(producerId)) continue
      for (const record of records) yield { offset: Number(firstOffset) + record.offsetDelta, record }
    }
  }
}
