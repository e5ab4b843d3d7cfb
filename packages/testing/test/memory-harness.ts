import { AcuseError, type Store, type StoreContext, type Transport, type TransportContext } from '@acuse/core'
import type { StoreHarness, TransportHarness } from '../src/conformance.ts'
import {
  createMemoryDatabase,
  createVirtualClock,
  memoryStore,
  memoryTransport,
  type MemoryTx,
  type VirtualClock,
} from '../src/index.ts'

/** What went wrong in the background of a case. */
function failLoudly(error: Error): void {
  throw error
}

export function contextOf(instance: string, clock: VirtualClock): StoreContext & TransportContext {
  return { service: 'conformance', instance, clock, groups: [], effectConnections: 4, onError: failLoudly }
}

export function memoryStoreHarness(
  spoil: (store: Store<MemoryTx>) => Store<MemoryTx> = (store) => store,
): StoreHarness<MemoryTx> {
  const clock = createVirtualClock()
  const database = createMemoryDatabase(clock)
  return {
    open: async (instance) => spoil(await memoryStore(database)(contextOf(instance, clock))),
    outside: database,
    write: async (tx, id, value) => tx.table<string>('rows').set(id, value),
    read: async (id) => {
      const value = database.table('rows').get(id)
      return typeof value === 'string' ? value : undefined
    },
    advance: (ms) => clock.advance({ ms }),
    wait: (ms) => clock.advance({ ms }),
    dispose: async () => undefined,
  }
}

export function memoryTransportHarness(
  spoil: (transport: Transport, instance: string) => Transport = (transport) => transport,
): TransportHarness {
  const clock = createVirtualClock()
  const broker = memoryTransport(clock)
  const refusal = new AcuseError('ACUSE_MESSAGE_TOO_LARGE', 'refused on purpose')
  broker.failPublish(({ headers }) => headers['x-refused'] === 'yes', refusal)
  const instances = new Map<unknown, string>()
  return {
    async open(instance) {
      const transport = spoil(await broker(contextOf(instance, clock)), instance)
      instances.set(transport, instance)
      return transport
    },
    async crash(transport) {
      broker.crash(instances.get(transport) ?? '')
    },
    refused: (message) => ({ ...message, headers: { ...message.headers, 'x-refused': 'yes' } }),
    restartServer: async () => broker.restart(),
    wait: (ms) => clock.advance({ ms }),
    now: () => new Date(clock.now()),
    dispose: async () => undefined,
  }
}

/** The store's own log, which is a transport as well. */
export function memoryLogHarness(): TransportHarness {
  const clock = createVirtualClock()
  const database = createMemoryDatabase(clock)
  const instances = new Map<unknown, string>()
  return {
    async open(instance) {
      const { log } = await memoryStore(database)(contextOf(instance, clock))
      instances.set(log, instance)
      return log
    },
    async crash(transport) {
      database.crash(instances.get(transport) ?? '')
    },
    restartServer: async () => database.log.dropConnections(),
    wait: (ms) => clock.advance({ ms }),
    now: () => new Date(clock.now()),
    dispose: async () => undefined,
  }
}
