import type { ClaimedPart } from './cursors.ts'
import { partOf } from './parts.ts'
import type { ReadPoint } from './read-query.ts'
import { Window } from './window.ts'

/** A part that this process owns, and what it has in hand of it. */
export interface Lease {
  readonly part: number
  readonly lane: number
  readonly epoch: number
  readonly since: Date | null
  readonly window: Window
  /**
   * `held`: delivered from. `leaving`: the sink is letting go. `revoked`: the sink has let go, the row has not been written.
   * `gone`: given up or lost; whatever is settled now changes nothing.
   */
  state: 'held' | 'leaving' | 'revoked' | 'gone'
  /** The version of the stored cursor. */
  ver: string
  saved: ReadPoint
  savedAcks: number
  savedAtMs: number
  unsettled: number
  /** Whether the last page said that there is more to read at once. */
  more: boolean
  /** Not delivered from before this moment, by performance.now(): something was just given back. */
  restsUntilMs: number
}

export function leaseOf(claimed: ClaimedPart, suspects: number, reach: number): Lease {
  const { part, point, epoch, ver, since, done, suspectsTo } = claimed
  return {
    part,
    lane: partOf(part).lane,
    epoch,
    since,
    window: new Window({ part, point, done, suspects, suspectsTo, reach: Math.max(reach, suspects) }),
    state: 'held',
    ver,
    saved: point,
    savedAcks: 0,
    savedAtMs: performance.now(),
    unsettled: 0,
    more: true,
    restsUntilMs: 0,
  }
}
