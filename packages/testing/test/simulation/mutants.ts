import {
  AcuseError,
  type Delivery,
  type Sink,
  type StoreFactory,
  type Transport,
  type TransportFactory,
} from '@acuse/core'
import type { MemoryTx } from '../../src/index.ts'
import { type Spoil, withDeadLetters, withInbox, withParked, withSagas, withSchedule } from '../spoil-store.ts'

/** A bug planted in what the simulated services run on, and how it has to show. */
export interface Mutant {
  readonly shows: readonly string[]
  readonly store?: Spoil
  readonly broker?: (transport: Transport) => Transport
}

/** Changes each delivery on its way from a transport to its consumer. */
function withDeliveries(transport: Transport, change: (delivery: Delivery) => Delivery, group?: string): Transport {
  return {
    ...transport,
    consume: (source, sink) => {
      if (group !== undefined && source.group !== group) return transport.consume(source, sink)
      const changed: Sink = {
        deliver: (deliveries) => sink.deliver(deliveries.map(change)),
        revoke: (partition) => sink.revoke(partition),
      }
      return transport.consume(source, changed)
    },
  }
}

function ackedAtOnce(delivery: Delivery): Delivery {
  delivery.ack()
  return delivery
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'no inbox': {
    shows: ['duplicate'],
    store: (store) =>
      withInbox(store, {
        accept: async (tx, group, items) =>
          (await store.inbox.accept(tx, group, items)).map((verdict) => (verdict === 'duplicate' ? 'new' : verdict)),
      }),
  },
  'an inbox outside the transaction': {
    shows: ['lost'],
    store: (store) =>
      withInbox(store, {
        accept: (_tx, group, items) => store.transaction((tx) => store.inbox.accept(tx, group, items)),
      }),
  },
  'nothing is held back behind what failed': {
    shows: ['inversion'],
    store: (store) =>
      withInbox(store, {
        accept: (tx, group, items) =>
          store.inbox.accept(
            tx,
            group,
            items.map((item) => ({ ...item, ordered: false })),
          ),
      }),
  },
  'acked before it is durable': {
    shows: ['lost'],
    broker: (transport) => withDeliveries(transport, ackedAtOnce),
  },
  'acked instead of released': {
    shows: ['lost'],
    broker: (transport) => withDeliveries(transport, (delivery) => ({ ...delivery, release: () => delivery.ack() })),
  },
  'marked as sent before the broker has confirmed': {
    shows: ['lost'],
    store: (store) => ({ ...store, log: withDeliveries(store.log, ackedAtOnce, '$relay') }),
  },
  'a key goes on after one of its messages was not sent': {
    shows: ['inversion'],
    broker: (transport) => {
      let sent = 0
      return {
        ...transport,
        async publish(batch, signal) {
          const refused = batch.filter(() => ++sent % 40 === 0)
          const results = await transport.publish(
            batch.filter((message) => !refused.includes(message)),
            signal,
          )
          const rest = [...results]
          const error = new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'refused')
          return batch.map((message) =>
            refused.includes(message) ? { state: 'failed', error } : (rest.shift() ?? { state: 'failed', error }),
          )
        },
      }
    },
  },
  'a stale claim may write': {
    shows: ['duplicate'],
    store: (store) =>
      withParked(store, {
        complete: async (tx, group, claim) => {
          await store.parked.complete(tx, group, claim)
          return true
        },
      }),
  },
  'a retry that is forgotten': {
    shows: ['lost'],
    store: (store) => withParked(store, { reschedule: (tx, group, claim) => store.parked.complete(tx, group, claim) }),
  },
  'parking behind without parking': {
    shows: ['lost'],
    store: (store) => withParked(store, { parkBehind: async () => 'parked' as const }),
  },
  'a dead letter that is not written': {
    shows: ['lost'],
    store: (store) =>
      withDeadLetters(withParked(store, { bury: (tx, group, claim) => store.parked.complete(tx, group, claim) }), {
        bury: async () => true,
      }),
  },
  'timeouts that are early': {
    shows: ['early'],
    store: (store) =>
      withParked(store, {
        park: (tx, group, request) =>
          store.parked.park(tx, group, {
            ...request,
            dueInMs: request.dueInMs - (request.reason === 'timeout' ? 1_000 : 0),
          }),
      }),
  },
  'timeouts that are not kept': {
    shows: ['lost timeout'],
    store: (store) =>
      withParked(store, {
        park: async (tx, group, request) =>
          request.reason === 'timeout' ? 'parked' : store.parked.park(tx, group, request),
      }),
  },
  'scheduled messages that are early': {
    shows: ['early'],
    store: (store) =>
      withSchedule(store, {
        add: (tx, message, due) => store.schedule.add(tx, message, { inMs: (due.inMs ?? 0) / 2 }),
      }),
  },
  'a saga saved by whoever comes last': {
    shows: ['saga'],
    store: (store) =>
      withSagas(store, {
        async save(tx, saga, id, record) {
          const stored = await store.sagas.load(tx, saga, id)
          return store.sagas.save(tx, saga, id, { ...record, version: (stored?.version ?? 0) + 1 })
        },
      }),
  },
  'a rolled back transaction that leaves its messages': {
    shows: ['lost', 'unexpected', 'duplicate', 'saga', 'check'],
    store: (store) => ({
      ...store,
      append: (_tx, messages) => store.transaction((tx) => store.append(tx, messages)),
    }),
  },
}

export function spoiledStore(spoil: Spoil): (open: StoreFactory<MemoryTx>) => StoreFactory<MemoryTx> {
  return (open) => async (context) => spoil(await open(context))
}

export function spoiledBroker(
  spoil: (transport: Transport) => Transport,
): (open: TransportFactory) => TransportFactory {
  return (open) => async (context) => spoil(await open(context))
}
