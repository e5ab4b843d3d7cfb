import { openAcuseCheckout } from '../checkout/acuse.ts'
import { openHandmadeCheckout } from '../checkout/by-hand.ts'
import type { CheckoutActor } from '../checkout/roles.ts'
import { type FanOutActor, openFanOut } from './fan-out.ts'
import type { Contestant } from '../contestants/contestant.ts'
import { openAcuse } from '../contestants/acuse.ts'
import { openGraphile } from '../contestants/graphile.ts'
import { openPgBoss } from '../contestants/pg-boss.ts'
import { openSql } from '../contestants/sql.ts'
import { type ConsumerActor, openConsumer } from './consumer.ts'
import { openPublisher, type PublisherActor } from './publisher.ts'

/** What runs in processes of their own, so that none shares its processor time with the driver. */
export interface Actors {
  readonly acuse: Contestant
  readonly 'acuse-checkout': CheckoutActor
  readonly consumer: ConsumerActor
  readonly 'fan-out': FanOutActor
  readonly graphile: Contestant
  readonly 'handmade-checkout': CheckoutActor
  readonly 'pg-boss': Contestant
  readonly publisher: PublisherActor
  readonly sql: Contestant
}

export type ActorName = keyof Actors

/** Each opens on a database. */
export const actors: { readonly [Name in ActorName]: (url: string) => Promise<Actors[Name]> } = {
  acuse: openAcuse,
  'acuse-checkout': openAcuseCheckout,
  consumer: openConsumer,
  'fan-out': openFanOut,
  graphile: openGraphile,
  'handmade-checkout': openHandmadeCheckout,
  'pg-boss': openPgBoss,
  publisher: openPublisher,
  sql: openSql,
}
