import type { BrokerName } from './place.ts'

/** A broker that a run has started. */
export interface RunningBroker extends AsyncDisposable {
  readonly name: BrokerName
  /** As transports and plain clients take it. */
  readonly url: string
  readonly pid: number
  /** As the server says it. */
  readonly version: string
}

/** What consumes beside Acuse and the plain client: what somebody would take who takes a library. */
export interface Peer {
  readonly actor: 'bullmq' | 'kafkajs' | 'nest'
  /** In tables. */
  readonly title: string
  /** How it is set, for who reads its figures. */
  readonly includes: string
}

/** A broker that can be measured. */
export interface BrokerKind {
  readonly name: BrokerName
  /** As people call it. */
  readonly title: string
  /** The plain client's name in tables. */
  readonly plain: string
  /** Where the plain client is what people take, there is none. */
  readonly peer: Peer | null
  /** How many wait before each round of draining: more than the fastest takes in a slice. */
  readonly backlog: number
  /** What a confirmed message has survived, for who reads the figures. */
  readonly durability: string
  /** How the plain client publishes, and how it consumes. */
  readonly plainPublishes: string
  readonly plainConsumes: string
  /** The clients, for their versions. */
  readonly packages: readonly string[]
  start(): Promise<RunningBroker>
}
