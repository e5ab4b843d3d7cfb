import type { BrokerPlace } from '../brokers/place.ts'
import type { CheckoutActor } from '../checkout/roles.ts'
import type { Contestant, Drainer } from '../contestants/contestant.ts'
import type { ConsumerActor } from './consumer.ts'
import type { FanOutActor } from './fan-out.ts'
import type { PublisherActor } from './publisher.ts'

/** What runs in processes of their own, so that none shares its processor time with the driver. */
export interface Actors {
  readonly acuse: Contestant
  readonly 'acuse-checkout': CheckoutActor
  readonly bullmq: Drainer
  readonly consumer: ConsumerActor
  readonly 'fan-out': FanOutActor
  readonly graphile: Contestant
  readonly group: Drainer
  readonly 'handmade-checkout': CheckoutActor
  readonly kafkajs: Drainer
  readonly nest: Drainer
  readonly 'pg-boss': Contestant
  readonly plain: Contestant
  readonly publisher: PublisherActor
  readonly relay: Drainer
  readonly sql: Contestant
}

export type ActorName = keyof Actors

type Open<Name extends ActorName> = (url: string, on: BrokerPlace | undefined) => Promise<Actors[Name]>

/** Each opens on a database, and on a broker where one is measured; none loads what only others need. */
export const actors: { readonly [Name in ActorName]: Open<Name> } = {
  acuse: async (url) => (await import('../contestants/acuse.ts')).openAcuse(url),
  'acuse-checkout': async () => (await import('../checkout/acuse.ts')).openAcuseCheckout(),
  bullmq: async (_, on) => (await import('../contestants/bullmq.ts')).openBullMq(placeOf(on)),
  consumer: async (url, on) => (await import('./consumer.ts')).openConsumer(url, on),
  'fan-out': async (url) => (await import('./fan-out.ts')).openFanOut(url),
  graphile: async (url) => (await import('../contestants/graphile.ts')).openGraphile(url),
  group: async (url, on) => (await import('../contestants/group.ts')).openGroup(url, placeOf(on)),
  'handmade-checkout': async () => (await import('../checkout/by-hand.ts')).openHandmadeCheckout(),
  kafkajs: async (_, on) => (await import('../contestants/kafkajs.ts')).openKafkaJs(placeOf(on)),
  nest: async (_, on) => (await import('../contestants/nest.ts')).openNest(placeOf(on)),
  'pg-boss': async (url) => (await import('../contestants/pg-boss.ts')).openPgBoss(url),
  plain: async (_, on) => (await import('../contestants/plain/plain.ts')).openPlain(placeOf(on)),
  publisher: async (url, on) => (await import('./publisher.ts')).openPublisher(url, on),
  relay: async (url, on) => (await import('../contestants/relay.ts')).openRelay(url, placeOf(on)),
  sql: async (url) => (await import('../contestants/sql.ts')).openSql(url),
}

function placeOf(on: BrokerPlace | undefined): BrokerPlace {
  if (on === undefined) throw new Error('It takes part only where a broker is measured.')
  return on
}
