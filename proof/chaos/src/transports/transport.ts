import type { CrashPoint, TransportFactory } from '@acuse/core'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import type { Fault } from '../faults/fault.ts'
import type { Settings } from '../plan.ts'

/** Where a node of the broker listens, so that a proxy can stand before it. */
export interface Door {
  readonly host: string
  readonly port: number
  /** Where the proxy has to listen, as the node sends its clients there; 0 where it may listen anywhere. */
  readonly proxyPort: number
}

/** A broker that a run has started. */
export interface RunningBroker extends AsyncDisposable {
  /** Of its nodes, on 127.0.0.1. */
  readonly ports: readonly number[]
  /** The doors, one a node, of the `n`th process that comes through proxies of its own, from 0. */
  doors(n: number): readonly Door[]
  /** How a process reaches it at these ports of 127.0.0.1, one a node: its own, or those of proxies. */
  urlAt(ports: readonly number[]): string
  /** The broker's own processes, which faults may happen to; none where it is the PostgreSQL of the services. */
  readonly nodes: readonly BrokerNode[]
  /** Cuts one of its nodes, from 0, off from the others, until what is answered is disposed of. Undefined where it has no others. */
  readonly cutOff: ((node: number) => Promise<AsyncDisposable>) | undefined
}

/** A node of a broker: it can be stopped, killed and frozen. */
export interface BrokerNode {
  /** Starts it on its data; nothing where it runs. */
  start(): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
  freeze(): Promise<void>
  thaw(): Promise<void>
}

export interface BrokerRequest {
  /** The PostgreSQL of the services. */
  readonly server: EmbeddedServer
  /** Nobody else's on this machine. */
  readonly name: string
  /** One, or a cluster of as many as the transport's `sizes` say. */
  readonly nodes: number
  /** How many processes come through proxies of their own. */
  readonly proxied: number
}

/** What a run needs to know of a transport. A further one is one more file, and a line in `transports.ts`. */
export interface ChaosTransport {
  readonly name: string
  /** How many nodes it can have as a server of its own, to which faults of their own happen; empty where it is none. */
  readonly sizes: readonly number[]
  /** Where groups start: where there is no history they are there before the first message is published. */
  readonly from: 'earliest' | 'now'
  /** What can happen to it alone. Default: nothing. */
  readonly faults?: readonly Fault[]
  /** Whether processes that use it pass this crash point. */
  passes(point: CrashPoint): boolean
  start(request: BrokerRequest): Promise<RunningBroker>
  /** Called in the processes of the run, which load this client and no other: that of Kafka takes most of a start. */
  connect(url: string, settings: Settings, nodes: number): TransportFactory
}
