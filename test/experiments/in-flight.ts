import type { Delivery, Sink, Store, StoreFactory, Transport } from '@acuse/core'

export interface InFlight<Tx> {
  readonly store: StoreFactory<Tx>
  /** The most deliveries that were neither acked nor released at one moment. */
  readonly most: () => number
}

/** Counts what the log has delivered and nobody has settled. */
export function countInFlight<Tx>(factory: StoreFactory<Tx>): InFlight<Tx> {
  let now = 0
  let most = 0

  function counted(delivery: Delivery): Delivery {
    let out = true
    const settle = (how: () => void): void => {
      if (out) now--
      out = false
      how()
    }
    return { ...delivery, ack: () => settle(() => delivery.ack()), release: () => settle(() => delivery.release()) }
  }

  function watching(sink: Sink): Sink {
    return {
      deliver: (deliveries) => {
        now += deliveries.length
        most = Math.max(most, now)
        sink.deliver(deliveries.map(counted))
      },
      revoke: (partition) => sink.revoke(partition),
    }
  }

  async function open(context: Parameters<StoreFactory<Tx>>[0]): Promise<Store<Tx>> {
    const store = await factory(context)
    const { log } = store
    const watched: Transport = {
      name: log.name,
      identity: log.identity,
      capabilities: log.capabilities,
      publish: (batch, signal) => log.publish(batch, signal),
      consume: (source, sink) => log.consume(source, watching(sink)),
      [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
    }
    return { ...store, log: watched }
  }

  return { store: open, most: () => most }
}
