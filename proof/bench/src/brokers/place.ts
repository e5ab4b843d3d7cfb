export type BrokerName = 'kafka' | 'nats' | 'rabbitmq' | 'redis'

/** A place on a broker. */
export interface BrokerPlace {
  readonly broker: BrokerName
  readonly url: string
  /** What its streams and groups are named after: nobody else's, unless they are to meet. */
  readonly place: string
}
