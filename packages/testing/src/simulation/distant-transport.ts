import {
  AcuseError,
  type PublishResult,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
  type WireMessage,
} from '@acuse/core'
import type { Link } from './link.ts'
import { DistantSubscription, type DistantSubscriptionOptions } from './distant-subscription.ts'

/** A transport behind a network. What is sent to it may arrive late, or its answer never; what it delivers comes again. */
export function distantTransport(
  transport: Transport,
  link: Link,
  server: Pick<DistantSubscriptionOptions, 'onError' | 'crash'>,
): Transport {
  const subscriptions: DistantSubscription[] = []
  return {
    name: transport.name,
    identity: transport.identity,
    capabilities: transport.capabilities,
    publish: (batch, signal) => publishOver(link, transport, batch, signal),
    async consume(source: Source, sink: Sink): Promise<Subscription> {
      const subscription = new DistantSubscription({ ...server, transport, link, source, sink })
      await subscription.connect()
      subscriptions.push(subscription)
      return subscription
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(subscriptions.map((subscription) => subscription.stop(0)))
    },
  }
}

/** Settles when the answer is there or the signal aborts. A request that is late by then may still arrive. */
function publishOver(
  link: Link,
  transport: Transport,
  batch: readonly WireMessage[],
  signal: AbortSignal,
): Promise<readonly PublishResult[]> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => resolve(batch.map(() => ({ state: 'failed', error: unconfirmed() })))
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    link
      .call(`publish ${batch.length}`, () => transport.publish(batch, new AbortController().signal))
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', giveUp))
  })
}

function unconfirmed(): AcuseError {
  return new AcuseError('ACUSE_PUBLISH_TIMEOUT', 'The publish was aborted before the message was confirmed.')
}
