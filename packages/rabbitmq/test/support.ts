import { AcuseError, type Sink, type Source, type Subscription, systemClock, type Transport } from '@acuse/core'
import { rabbitmq, type RabbitMqOptions } from '@acuse/rabbitmq'
import { Collector, partitions, uniqueName } from '@acuse/testing/conformance'

/** A transport as a process opens it, and what it reported in the background. */
export interface Opened extends AsyncDisposable {
  readonly transport: Transport
  readonly reported: readonly AcuseError[]
  /** Consumes everything of a stream. */
  consume(source: Partial<Source> & { readonly stream: string }, sink?: Sink): Promise<Subscription>
}

export async function open(url: string | readonly string[], options: RabbitMqOptions = {}): Promise<Opened> {
  const reported: AcuseError[] = []
  const transport = await rabbitmq(url, { newQueueMs: 0, ...options })({
    service: 'test',
    instance: uniqueName('instance'),
    clock: systemClock,
    onError: (error) => void reported.push(error),
  })
  return {
    transport,
    reported,
    consume: ({ stream, ...source }, sink = new Collector()) =>
      transport.consume(
        {
          group: uniqueName('group'),
          streams: [{ name: stream, partitions }],
          types: 'all',
          from: 'now',
          prefetch: 100,
          ...source,
        },
        sink,
      ),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}

/** The error that something is refused with. */
export async function refusal(work: Promise<unknown>): Promise<AcuseError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AcuseError) return error
  throw new Error('it was not refused', { cause: error })
}
