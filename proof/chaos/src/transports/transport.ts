import type { TransportFactory } from '@acuse/core'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import type { Fault } from '../faults/fault.ts'
import type { Settings } from '../plan.ts'

/** A broker that a run has started. */
export interface RunningBroker extends AsyncDisposable {
  /** Where it listens, so that a proxy can stand before it. */
  readonly host: string
  readonly port: number
  /** How a process reaches it on 127.0.0.1 at `port`: the proxy's. */
  urlAt(port: number): string
  /** What can happen to this broker, beside what happens to every process and every connection. */
  readonly faults: readonly Fault[]
}

/** What a run needs to know of a transport. A further one is one more file, and a line in `transports.ts`. */
export interface ChaosTransport {
  readonly name: string
  /** Starts the broker. `server` is the PostgreSQL of the services; `name` is nobody else's on this machine. */
  start(server: EmbeddedServer, name: string): Promise<RunningBroker>
  /** Called in the processes of the run. */
  connect(url: string, settings: Settings): TransportFactory
}
