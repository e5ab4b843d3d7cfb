import type { TransportFactory } from '@acuse/core'
import { fromWhatIsKept, transportAt } from '@acuse/transports'

/** What a service is told about its transport. */
export interface TransportSettings {
  /** Its address, and with it which one it is. */
  readonly transportUrl: string
  /** How long an instance that stopped answering keeps its share of the messages, ms. */
  readonly leaseMs: number
}

/** The transport of a service. Its groups read from the earliest message on where there is history, and else from their first start on. */
export function transportFor({ transportUrl, leaseMs }: TransportSettings): TransportFactory {
  return fromWhatIsKept(transportAt(transportUrl, { leaseMs }))
}
