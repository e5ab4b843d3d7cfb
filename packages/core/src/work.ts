import type { Breaker } from './breaker.ts'
import type { Clock } from './clock.ts'
import type { Codec } from './codec.ts'
import type { AcuseError } from './errors.ts'
import type { GroupDeclaration, Registration } from './group.ts'
import type { LaneItem } from './lanes.ts'
import type { WireMessage } from './message.ts'
import type { OutgoingSettings } from './outgoing.ts'
import type { Semaphore } from './semaphore.ts'
import type { Due, Opening, Store } from './store.ts'
import type { Delivery } from './transport.ts'

/** One delivered message on its way through a group. */
export interface Work<Tx> extends LaneItem {
  readonly delivery: Delivery
  readonly registration: Registration<Tx>
  /** Whether it is acked: what was together with it may not be yet. */
  acked: boolean
}

/** Everything the parts of one running group share. */
export interface GroupRuntime<Tx> {
  readonly service: string
  readonly declaration: GroupDeclaration<Tx>
  readonly store: Store<Tx>
  readonly clock: Clock
  readonly codec: Codec
  readonly outgoing: OutgoingSettings
  readonly random: () => number
  readonly breaker: Breaker | undefined
  /** Handlers at once, fresh and parked messages together. */
  readonly places: Semaphore
  /** Aborts when the process cannot wait for handlers any longer. */
  readonly deadline: AbortSignal
  readonly onError: (error: AcuseError) => void
  /** How long at most until what other processes parked is found, ms. */
  readonly pollMs: number
  /** Something was put on the schedule, in a transaction that is still open. */
  readonly onScheduled: (due: Due) => void
  /** Something was parked that is due in so many ms, now unless said. */
  readonly onParked: (dueInMs?: number) => void
}

/** Whether earlier messages of its key hold this one back while they wait. */
export function isOrdered<Tx>(message: WireMessage, { declaration }: GroupRuntime<Tx>): boolean {
  return message.key !== null && declaration.settings.blockWhileRetrying
}

/** Beyond what a handler may take: what it did is written in statements that follow each other at once. */
const idleSlackMs = 5_000

/** How transactions begin in which only Acuse's own statements run, one after the other. */
export const brief: Opening = { idleMs: idleSlackMs }

/** How long the transaction of a handler may stand idle. */
export function idleMsOf<Tx>({ declaration }: GroupRuntime<Tx>): number {
  return declaration.settings.timeoutMs + idleSlackMs
}

/** Which message and group a diagnostic is about. */
export function about<Tx>(
  message: WireMessage,
  { service, declaration }: GroupRuntime<Tx>,
): { service: string; group: string; id: string; type: string; stream: string; key: string | null } {
  return {
    service,
    group: declaration.name,
    id: message.id,
    type: message.type,
    stream: message.stream,
    key: message.key,
  }
}
