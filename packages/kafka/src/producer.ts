import { ProduceAcks } from '@platformatic/kafka'
import type { Connections } from './connection.ts'
import { errorName } from './errors.ts'
import { requests } from './protocol.ts'
import { type OutgoingRecord, recordBatch } from './record-batch.ts'

const produceTimeoutMs = 10_000
/** A sequence number is an int32. */
const mostSequence = 2_000_000_000

/** Batches of one request, one a partition. */
export interface Batch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
}

/** What the broker said to a batch: undefined when it has it, on all replicas that are in sync. */
export type Answer = string | undefined

interface Session {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** How many records of each partition were taken. */
  readonly sequences: Map<string, number>
}

/**
 * An idempotent producer: a batch that is sent again, as its answer was lost, is not stored again. It may send one batch of a partition
 * at a time; then what it sends arrives in that order whatever fails meanwhile.
 */
export class Producer {
  readonly #connections: Connections
  #session: Promise<Session> | undefined

  constructor(connections: Connections) {
    this.#connections = connections
  }

  /**
   * Sends batches to the broker that leads their partitions. Throws when nothing is known of any of them: the same batches may be sent
   * again, or `renew` called.
   */
  async send(node: number, batches: readonly Batch[]): Promise<readonly Answer[]> {
    const session = await this.#open()
    const timestampMs = Date.now()
    const answer = await this.#connections.ask(
      node,
      requests.produce,
      ProduceAcks.ALL,
      produceTimeoutMs,
      batches.map(({ topic, partition, records }) => {
        const firstSequence = session.sequences.get(nameOf(topic, partition)) ?? 0
        return { topic, partition, bytes: recordBatch(records, { ...session, firstSequence, timestampMs }) }
      }),
    )
    return batches.map((batch) => this.#note(session, batch, codeOf(batch, answer.responses)))
  }

  /** Begins anew: nobody knows whether what was sent last is stored, and it is not sent by this producer again. */
  renew(): void {
    this.#session = undefined
  }

  #note({ sequences }: Session, { topic, partition, records }: Batch, code: number | undefined): Answer {
    const error = code === undefined ? 'no answer' : errorName(code)
    const isStored = error === undefined || error === 'DUPLICATE_SEQUENCE_NUMBER'
    if (!isStored) return error
    const name = nameOf(topic, partition)
    const next = (sequences.get(name) ?? 0) + records.length
    sequences.set(name, next)
    if (next > mostSequence) this.renew()
    return undefined
  }

  #open(): Promise<Session> {
    const known = this.#session
    if (known !== undefined) return known
    const opening = this.#init()
    this.#session = opening
    opening.catch(() => {
      if (this.#session === opening) this.#session = undefined
    })
    return opening
  }

  async #init(): Promise<Session> {
    // A producer without transactions has no coordinator: any broker gives it an id.
    const { producerId, producerEpoch } = await this.#connections.ask(undefined, requests.initProducerId, null, 0)
    return { producerId, producerEpoch, sequences: new Map() }
  }
}

function nameOf(topic: string, partition: number): string {
  return `${topic}:${partition}`
}

interface Responses {
  readonly name: string
  readonly partitionResponses: readonly { readonly index: number; readonly errorCode: number }[]
}

function codeOf({ topic, partition }: Batch, responses: readonly Responses[]): number | undefined {
  const ofTopic = responses.find(({ name }) => name === topic)
  return ofTopic?.partitionResponses.find(({ index }) => index === partition)?.errorCode
}
