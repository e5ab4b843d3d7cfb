import type { Claimed, Store } from '@acuse/core'
import type { MemoryTx } from '../src/index.ts'

export type MemoryStore = Store<MemoryTx>

/** Breaks one thing about a store. */
export type Spoil = (store: MemoryStore) => MemoryStore

export function withInbox(store: MemoryStore, inbox: Partial<MemoryStore['inbox']>): MemoryStore {
  return { ...store, inbox: { ...store.inbox, ...inbox } }
}

export function withParked(store: MemoryStore, parked: Partial<MemoryStore['parked']>): MemoryStore {
  return { ...store, parked: { ...store.parked, ...parked } }
}

export function withDeadLetters(store: MemoryStore, deadLetters: Partial<MemoryStore['deadLetters']>): MemoryStore {
  return { ...store, deadLetters: { ...store.deadLetters, ...deadLetters } }
}

export function withHistory(store: MemoryStore, history: Partial<MemoryStore['history']>): MemoryStore {
  return { ...store, history: { ...store.history, ...history } }
}

export function withSagas(store: MemoryStore, sagas: Partial<MemoryStore['sagas']>): MemoryStore {
  return { ...store, sagas: { ...store.sagas, ...sagas } }
}

export function withSchedule(store: MemoryStore, schedule: Partial<MemoryStore['schedule']>): MemoryStore {
  return { ...store, schedule: { ...store.schedule, ...schedule } }
}

export function withClaims(store: MemoryStore, change: (claim: Claimed) => Claimed): MemoryStore {
  return withParked(store, {
    async claim(group, request) {
      const result = await store.parked.claim(group, request)
      return { ...result, claimed: result.claimed.map(change) }
    },
  })
}

/** Appends what it dispatched once more, as a dispatcher would that marks before it appends and is retried. */
export async function dispatchTwice(store: MemoryStore, limit: number): Promise<{ readonly appended: number }> {
  const before: string[] = []
  const source = { group: crypto.randomUUID(), streams: 'all', types: 'all', from: 'now', prefetch: 1_000 } as const
  const again = Promise.withResolvers<void>()
  const subscription = await store.log.consume(source, {
    deliver(deliveries) {
      before.push(...deliveries.map(({ message }) => message.id))
      void store.log
        .publish(
          deliveries.map(({ message }) => message),
          AbortSignal.timeout(1_000),
        )
        .then(() => again.resolve())
      void subscription.stop(0)
    },
    revoke: async () => undefined,
  })
  const result = await store.schedule.dispatch(limit)
  if (result.appended > 0) await again.promise
  else await subscription.stop(0)
  return result
}
