import type { CrashPoint, TransportFactory } from '@acuse/core'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import type { Settings } from '../plan.ts'

/** A broker that a run has started. */
export interface RunningBroker extends AsyncDisposable {
  /** Where it listens, so that a proxy can stand before it. */
  readonly host: string
  readonly port: number
  /** How a process reaches it on 127.0.0.1 at `port`: the proxy's. */
  urlAt(port: number): string
  /** The broker's own process, which faults may happen to; null where it is the PostgreSQL of the services. */
  readonly server: BrokerServer | null
}

/** A broker that can be stopped, killed and frozen. */
export interface BrokerServer {
  /** Starts it on its data; nothing where it runs. */
  start(): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
  freeze(): Promise<void>
  thaw(): Promise<void>
}

/** What a run needs to know of a transport. A further one is one more file, and a line in `transports.ts`. */
export interface ChaosTransport {
  readonly name: string
  /** Whether it is a server of its own, to which faults of their own happen. */
  readonly hasServer: boolean
  /** Where groups start: where there is no history they are there before the first message is published. */
  readonly from: 'earliest' | 'now'
  /** Whether processes that use it pass this crash point. */
  passes(point: CrashPoint): boolean
  /** Starts the broker. `server` is the PostgreSQL of the services; `name` is nobody else's on this machine. */
  start(server: EmbeddedServer, name: string): Promise<RunningBroker>
  /** Called in the processes of the run. */
  connect(url: string, settings: Settings): TransportFactory
}
