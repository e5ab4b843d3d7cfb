import {
  AcuseError,
  type Clock,
  type PublishResult,
  type Sink,
  type Source,
  type Subscription,
  type Transport,
  type TransportContext,
  type TransportFactory,
  type WireMessage,
} from '@acuse/core'
import { MemoryLog } from './memory-log.ts'
import type { MemorySubscription } from './memory-subscription.ts'

/** What stands between a publish and the log: nothing, or the faults a test set. */
export interface PublishGate {
  /** Gives the message's fault, or undefined if it may pass. Throws when the owner is gone. */
  check(message: WireMessage): AcuseError | 'stall' | undefined
}

/** A log as a transport: what a store's own log and the in-memory transport both are. */
export function logTransport(
  log: MemoryLog,
  context: Pick<TransportContext, 'instance' | 'onError'>,
  options: {
    readonly name: string
    readonly identity: string
    readonly assertAlive: () => void
    readonly gate?: PublishGate
  },
): Transport {
  const subscriptions = new Set<MemorySubscription>()
  return {
    name: options.name,
    identity: options.identity,
    capabilities: { ordered: true, priorities: true, history: true },
    async publish(batch, signal) {
      options.assertAlive()
      return publishTo(log, batch, signal, options.gate)
    },
    async consume(source: Source, sink: Sink): Promise<Subscription> {
      options.assertAlive()
      const subscription = log.consume(context.instance, source, sink, context.onError)
      subscriptions.add(subscription)
      return subscription
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...subscriptions].map((subscription) => subscription.stop(0)))
    },
  }
}

/** The in-memory transport's factory, and what a test may do to the broker behind it. */
export interface MemoryTransportFactory extends TransportFactory {
  /** Refuses every message that matches, and holds back what follows it in its key and batch; until the returned function is called. */
  failPublish(matches: (message: WireMessage) => boolean, error: AcuseError): () => void
  /** Leaves every message that matches unconfirmed until the publish is aborted, as a lost connection does; until the returned function is called. */
  stallPublish(matches: (message: WireMessage) => boolean): () => void
  /** A subscription, or everything the named instance has open, vanishes without letting go. */
  crash(victim: string | Subscription): void
  /** Every connection is lost and made again: what was not settled is delivered again. */
  restart(): void
  /** Everything published, in order. */
  published(): readonly WireMessage[]
}

let transportsMade = 0

/** A broker in memory: one log, whatever opens it. Its time is `clock`, by default that of the first bus to open it. */
export function memoryTransport(clock?: Clock): MemoryTransportFactory {
  const faults = new Set<(message: WireMessage) => AcuseError | 'stall' | undefined>()
  const crashed = new Set<string>()
  const identity = `memory transport:${++transportsMade}`
  let made: MemoryLog | undefined

  const gate: PublishGate = {
    check(message) {
      for (const fault of faults) {
        const found = fault(message)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
  function addFault(fault: (message: WireMessage) => AcuseError | 'stall' | undefined): () => void {
    faults.add(fault)
    return () => void faults.delete(fault)
  }
  async function open(context: TransportContext): Promise<Transport> {
    made ??= new MemoryLog(clock ?? context.clock)
    const assertAlive = (): void => {
      if (crashed.has(context.instance)) {
        throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `${context.instance} has crashed.`)
      }
    }
    return logTransport(made, context, { name: 'memory', identity, assertAlive, gate })
  }

  return Object.assign(open, {
    failPublish: (matches: (message: WireMessage) => boolean, error: AcuseError) =>
      addFault((message) => (matches(message) ? error : undefined)),
    stallPublish: (matches: (message: WireMessage) => boolean) =>
      addFault((message) => (matches(message) ? 'stall' : undefined)),
    crash(victim: string | Subscription) {
      if (typeof victim === 'string') crashed.add(victim)
      made?.crash(victim)
    },
    restart: () => made?.dropConnections(),
    published: () => (made?.entries ?? []).map(({ message }) => message),
  })
}

async function publishTo(
  log: MemoryLog,
  batch: readonly WireMessage[],
  signal: AbortSignal,
  gate: PublishGate | undefined,
): Promise<readonly PublishResult[]> {
  if (signal.aborted) return batch.map(() => ({ state: 'failed', error: unconfirmed() }))
  // What follows a refused message of its key must not arrive before it.
  const heldKeys = new Set<string>()
  const outcomes = batch.map((message) => {
    const key = message.key === null ? undefined : JSON.stringify([message.stream, message.priority, message.key])
    const fault = key !== undefined && heldKeys.has(key) ? heldBack(message) : gate?.check(message)
    if (fault === undefined) log.append([message])
    else if (key !== undefined) heldKeys.add(key)
    return fault
  })
  if (outcomes.includes('stall')) {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  return outcomes.map((fault) => {
    if (fault === undefined) return { state: 'delivered' }
    return { state: 'failed', error: fault === 'stall' ? unconfirmed() : fault }
  })
}

function unconfirmed(): AcuseError {
  return new AcuseError('ACUSE_PUBLISH_TIMEOUT', 'The publish was aborted before the message was confirmed.')
}

function heldBack({ type, id, key }: WireMessage): AcuseError {
  return new AcuseError(
    'ACUSE_TRANSPORT_UNAVAILABLE',
    `message ${type} ${id} was not sent: an earlier one of key ${key ?? ''} was not delivered.`,
  )
}
