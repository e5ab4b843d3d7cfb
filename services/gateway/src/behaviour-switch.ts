import { GOOD_BEHAVIOUR } from './behaviour.ts'
import type { Behaviour } from './behaviour.ts'

/** The behaviour now; an outage with an end ends by itself. */
export interface BehaviourSwitch {
  now(): Behaviour
  /** What is left out goes back to good behaviour. */
  set(behaviour: Partial<Behaviour>): Behaviour
  /** How long the outage still lasts: 0 when there is none, `Infinity` when it has no end. */
  outageLeftMs(): number
}

export function createBehaviourSwitch(first: Partial<Behaviour> = {}): BehaviourSwitch {
  let behaviour = GOOD_BEHAVIOUR
  let endsAt = 0
  const outageLeftMs = (): number => (behaviour.outage ? Math.max(0, endsAt - performance.now()) : 0)
  const now = (): Behaviour => ({ ...behaviour, outage: outageLeftMs() > 0 })
  const set = (next: Partial<Behaviour>): Behaviour => {
    behaviour = { ...GOOD_BEHAVIOUR, ...next }
    endsAt = behaviour.outageMs === 0 ? Infinity : performance.now() + behaviour.outageMs
    return now()
  }
  set(first)
  return { now, set, outageLeftMs }
}
