import type { Delivery, Sink, Source, Subscription, Transport, WireMessage } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { transportCases } from '../src/conformance/transport-cases.ts'
import { TransportWorld } from '../src/conformance/transport-world.ts'
import { memoryTransportHarness } from './memory-harness.ts'
import { caughtBy, impatient } from './mutation.ts'

type Spoil = (transport: Transport, instance: string) => Transport

const mutants: Readonly<Record<string, Spoil>> = {
  'redelivered is never set': (transport) =>
    withDeliveries(transport, (delivery) => ({ ...delivery, redelivered: false })),
  'redelivered is always set': (transport) =>
    withDeliveries(transport, (delivery) => ({ ...delivery, redelivered: true })),
  'acked before it is handled': (transport) =>
    withDeliveries(transport, (delivery) => {
      delivery.ack()
      return delivery
    }),
  'an ack acks everything before it': (transport) => {
    const open: Delivery[] = []
    return withDeliveries(transport, (delivery) => {
      open.push(delivery)
      const ack = (): void => {
        for (const earlier of open.splice(0, open.indexOf(delivery) + 1)) earlier.ack()
      }
      return { ...delivery, ack }
    })
  },
  'acks are forgotten': (transport) => withDeliveries(transport, (delivery) => ({ ...delivery, ack: () => undefined })),
  'a release is an ack': (transport) =>
    withDeliveries(transport, (delivery) => ({ ...delivery, release: () => delivery.ack() })),
  'a release goes to the end': (transport) =>
    withDeliveries(transport, (delivery) => {
      const release = (): void => {
        delivery.ack()
        void transport.publish([delivery.message], AbortSignal.timeout(1_000))
      }
      return { ...delivery, release }
    }),
  'a release counts as possibly begun': (transport) => {
    const released = new Set<string>()
    return withDeliveries(transport, (delivery) => {
      const release = (): void => {
        released.add(delivery.message.id)
        delivery.release()
      }
      return { ...delivery, release, redelivered: delivery.redelivered || released.has(delivery.message.id) }
    })
  },
  'everything is delivered twice': (transport) =>
    withSink(transport, (sink) => ({ ...sink, deliver: (deliveries) => sink.deliver([...deliveries, ...deliveries]) })),
  'delivered in reverse': (transport) =>
    withSink(transport, (sink) => ({ ...sink, deliver: (deliveries) => sink.deliver(deliveries.toReversed()) })),
  'one type after the other': (transport) =>
    withSink(transport, (sink) => ({
      ...sink,
      deliver: (deliveries) =>
        sink.deliver(deliveries.toSorted((one, other) => one.message.type.localeCompare(other.message.type))),
    })),
  'every seventh message is lost on the way': (transport) => {
    let seen = 0
    return withSink(transport, (sink) => ({
      ...sink,
      deliver: (deliveries) => sink.deliver(deliveries.filter(() => ++seen % 7 !== 0)),
    }))
  },

  'prefetch is ignored': (transport) => withSource(transport, (source) => ({ ...source, prefetch: 1_000 })),
  'types are ignored': (transport) => withSource(transport, (source) => ({ ...source, types: 'all' })),
  'always from the earliest': (transport) => withSource(transport, (source) => ({ ...source, from: 'earliest' })),
  'always from now': (transport) => withSource(transport, (source) => ({ ...source, from: 'now' })),
  'a time counts as the earliest': (transport) =>
    withSource(transport, (source) => ({ ...source, from: source.from instanceof Date ? 'earliest' : source.from })),
  'all groups are one': (transport) => withSource(transport, (source) => ({ ...source, group: 'one for all' })),
  'every consumer is a group of its own': (transport, instance) =>
    withSource(transport, (source) => ({ ...source, group: `${source.group}-${instance}` })),
  'only the first stream is read': (transport) =>
    withSource(transport, (source) => ({
      ...source,
      streams: source.streams === 'all' ? 'all' : source.streams.slice(0, 1),
    })),

  'revoke is not awaited': (transport) =>
    withSink(transport, (sink) => ({
      ...sink,
      async revoke(partition) {
        void sink.revoke(partition)
      },
    })),
  'revoke is not asked for': (transport) => withSink(transport, (sink) => ({ ...sink, revoke: async () => undefined })),
  'pausing does nothing': (transport) => withSubscription(transport, { pause: () => undefined }),
  'resuming does nothing': (transport) => withSubscription(transport, { resume: () => undefined }),
  'stopping waits for nothing': (transport) =>
    withSubscription(transport, (subscription) => ({ stop: () => subscription.stop(0) })),
  'stopping knows no deadline': (transport) =>
    withSubscription(transport, (subscription) => ({
      stop: (deadlineMs) => (deadlineMs === 0 ? subscription.stop(0) : subscription.stop(1e12)),
    })),
  'stopping leaves without a word': (transport) =>
    withSubscription(transport, (subscription) => ({
      async stop() {
        subscription.pause()
      },
    })),

  'publishing reverses the batch': (transport) =>
    withPublish(transport, async (batch, signal) => (await transport.publish(batch.toReversed(), signal)).toReversed()),
  'publishing sends every message by itself, at once': (transport) =>
    withPublish(transport, async (batch, signal) => {
      const sends = batch.map(async (message, index) => {
        if (index % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
        return transport.publish([message], signal)
      })
      return (await Promise.all(sends)).flat()
    }),
  'confirmed but never sent': (transport) => {
    let seen = 0
    return withPublish(transport, async (batch, signal) => {
      await transport.publish(
        batch.filter(() => ++seen % 5 !== 0),
        signal,
      )
      return batch.map(() => ({ state: 'delivered' }))
    })
  },
  'one result for the whole batch': (transport) =>
    withPublish(transport, async (batch, signal) => (await transport.publish(batch, signal)).slice(0, 1)),
  'an aborted publish never settles': (transport) =>
    withPublish(transport, (batch, signal) =>
      signal.aborted ? new Promise(() => undefined) : transport.publish(batch, signal),
    ),
  'an aborted publish says it was delivered': (transport) =>
    withPublish(transport, async (batch, signal) => {
      const results = await transport.publish(batch, signal)
      return signal.aborted ? results.map(() => ({ state: 'delivered' })) : results
    }),
  'what follows a refused message of its key is sent': (transport) =>
    withPublish(transport, async (batch, signal) => {
      const results = await Promise.all(batch.map((message) => transport.publish([message], signal)))
      return results.flat()
    }),

  'headers are lost': changing((message) => ({ ...message, headers: {} })),
  'header values are Latin-1': changing((message) => ({
    ...message,
    headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
    ),
  })),
  'empty headers are dropped': changing((message) => ({
    ...message,
    headers: Object.fromEntries(Object.entries(message.headers).filter(([, value]) => value !== '')),
  })),
  'the body is taken for text': changing((message) => ({
    ...message,
    body: Buffer.from(Buffer.from(message.body).toString()),
  })),
  'an empty body becomes null': changing((message) => ({
    ...message,
    body: message.body.length === 0 ? Buffer.from('null') : message.body,
  })),
  'large bodies are cut': changing((message) => ({ ...message, body: message.body.subarray(0, 65_536) })),
  'no key becomes an empty key': changing((message) => ({ ...message, key: message.key ?? '' })),
  'keys are ASCII': changing((message) => ({ ...message, key: message.key?.replace(/[^ -~]/g, '?') ?? null })),
  'every priority is normal': changing((message) => ({ ...message, priority: 'normal' })),
  'ids are new': changing((message) => ({ ...message, id: crypto.randomUUID() })),
}

describe('the transport suite', () => {
  it('passes a transport that is only wrapped', async () => {
    const spoil: Spoil = (transport) =>
      withSubscription(
        withSink(
          withDeliveries(transport, (delivery) => ({ ...delivery })),
          (sink) => sink,
        ),
        {},
      )
    expect(
      await caughtBy(transportCases, () => new TransportWorld(memoryTransportHarness(spoil), impatient), 10_000),
    ).toEqual([])
  })

  it('catches a server that forgets everything when it restarts', async () => {
    const makeWorld = (): TransportWorld => {
      const forgetful = { current: memoryTransportHarness() }
      return new TransportWorld(
        {
          ...forgetful.current,
          open: (instance) => forgetful.current.open(instance),
          async restartServer() {
            forgetful.current = memoryTransportHarness()
          },
        },
        impatient,
      )
    }
    expect(await caughtBy(transportCases, makeWorld)).not.toEqual([])
  })
})

describe('the transport suite catches', () => {
  it.each(Object.entries(mutants))('%s', async (_name, spoil) => {
    const makeWorld = (): TransportWorld => new TransportWorld(memoryTransportHarness(spoil), impatient)
    expect(await caughtBy(transportCases, makeWorld)).not.toEqual([])
  })
})

function withPublish(transport: Transport, publish: Transport['publish']): Transport {
  return { ...transport, publish }
}

/** Spoils messages on their way in, as a codec or a header mapping would. */
function changing(change: (message: WireMessage) => WireMessage): Spoil {
  return (transport) => withPublish(transport, (batch, signal) => transport.publish(batch.map(change), signal))
}

function withSource(transport: Transport, change: (source: Source) => Source): Transport {
  return { ...transport, consume: (source, sink) => transport.consume(change(source), sink) }
}

function withSink(transport: Transport, change: (sink: Sink) => Sink): Transport {
  return {
    ...transport,
    consume: (source, sink) =>
      transport.consume(
        source,
        // A sink may be a class, whose methods would not be spread.
        change({ deliver: (deliveries) => sink.deliver(deliveries), revoke: (partition) => sink.revoke(partition) }),
      ),
  }
}

function withDeliveries(transport: Transport, change: (delivery: Delivery) => Delivery): Transport {
  return withSink(transport, (sink) => ({
    ...sink,
    deliver: (deliveries) => sink.deliver(deliveries.map(change)),
  }))
}

function withSubscription(
  transport: Transport,
  change: Partial<Subscription> | ((subscription: Subscription) => Partial<Subscription>),
): Transport {
  return {
    ...transport,
    async consume(source, sink) {
      const subscription = await transport.consume(source, sink)
      const whole: Subscription = {
        pause: () => subscription.pause(),
        resume: () => subscription.resume(),
        stop: (deadlineMs) => subscription.stop(deadlineMs),
      }
      return { ...whole, ...(typeof change === 'function' ? change(subscription) : change) }
    },
  }
}
