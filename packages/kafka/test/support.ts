import { randomUUID } from 'node:crypto'
import {
  type AcuseError,
  type Delivery,
  type Sink,
  type Source,
  systemClock,
  type Transport,
  type WireMessage,
} from '@acuse/core'
import { kafka, type KafkaOptions } from '@acuse/kafka'
import { Admin } from '@platformatic/kafka'
import { onTestFinished } from 'vitest'

export const partitions = 4
const sessionTimeoutMs = 4_500

/** What a broker has to be told for groups to notice soon that a member is gone; and of its defaults the one that loses messages. */
export const testLines: readonly string[] = [
  'auto.create.topics.enable=false',
  'group.consumer.min.session.timeout.ms=1000',
  `group.consumer.session.timeout.ms=${sessionTimeoutMs}`,
  'group.consumer.min.heartbeat.interval.ms=100',
  'group.consumer.heartbeat.interval.ms=300',
  'group.consumer.min.assignment.interval.ms=0',
  'group.consumer.assignment.interval.ms=0',
  'group.min.session.timeout.ms=1000',
]

/** How the tests' transports are made: one broker keeps each message, and members are missed soon. */
export const testOptions: KafkaOptions = { replicationFactor: 1, sessionTimeoutMs, heartbeatMs: 300 }

export interface Opened {
  readonly transport: Transport
  /** What went wrong in the background. */
  readonly errors: AcuseError[]
}

/** A transport that is disposed of when the test is over. */
export async function open(brokers: string, options: KafkaOptions = {}): Promise<Opened> {
  const errors: AcuseError[] = []
  const context = {
    ...{ service: 'test', instance: randomUUID(), clock: systemClock },
    onError: (error: AcuseError) => void errors.push(error),
  }
  const transport = await kafka(brokers, { ...testOptions, ...options })(context)
  onTestFinished(() => transport[Symbol.asyncDispose]())
  return { transport, errors }
}

/** The client's own view of a server, for what an operator does. */
export function operator(brokers: string): Admin {
  const admin = new Admin({ clientId: 'operator', bootstrapBrokers: [brokers] })
  onTestFinished(() => admin.close())
  return admin
}

export function unique(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 13)}`
}

export function messageOf(stream: string, label: string, parts: Partial<WireMessage> = {}): WireMessage {
  return {
    ...{ id: randomUUID(), type: 'test.happened', stream, partitions, key: label, priority: 'normal', headers: {} },
    body: Buffer.from(label),
    ...parts,
  }
}

export function sourceOf(stream: string, parts: Partial<Source> = {}): Source {
  return {
    ...{
      group: unique('group'),
      streams: [{ name: stream, partitions }],
      types: 'all',
      from: 'earliest',
      prefetch: 100,
    },
    ...parts,
  }
}

/** Remembers what comes, and acks it unless it is to hold it. */
export class Taker implements Sink {
  readonly deliveries: Delivery[] = []
  readonly revoked: string[] = []
  readonly #holds: boolean

  constructor({ hold = false }: { readonly hold?: boolean } = {}) {
    this.#holds = hold
  }

  deliver(deliveries: readonly Delivery[]): void {
    this.deliveries.push(...deliveries)
    if (!this.#holds) for (const delivery of deliveries) delivery.ack()
  }

  async revoke(partition: string): Promise<void> {
    this.revoked.push(partition)
  }

  get labels(): string[] {
    return this.deliveries.map(({ message }) => Buffer.from(message.body).toString())
  }

  /** Of which partitions something came. */
  get partitions(): ReadonlySet<string> {
    return new Set(this.deliveries.map(({ partition }) => partition))
  }
}
