import type { Message, OutgoingMessage, Saga, SagaStep } from '@acuse/core'

/** What a saga came to after some messages. */
export interface Played<State> {
  /** `undefined` when it never began. */
  readonly state: State | undefined
  readonly complete: boolean
  /** Timeouts that are set and not over, ms. */
  readonly timeouts: Readonly<Record<string, number>>
  readonly published: readonly OutgoingMessage[]
}

/** A message to a saga, or a timeout that is due. */
export type Cue = OutgoingMessage | { readonly timeout: string }

/** Gives a saga messages one after the other, as a bus would: only its reactions run. */
export function play<State>(saga: Saga<State>, sagaId: string, cues: readonly Cue[]): Played<State> {
  let state: State | undefined
  let complete = false
  const timeouts = new Map<string, number>()
  const published: OutgoingMessage[] = []
  const advance = (step: SagaStep<State>): void => {
    state = step.state ?? state ?? saga.initial(sagaId)
    complete = step.complete === true
    for (const [name, ms] of Object.entries(step.timeouts ?? {})) {
      if (ms === null) timeouts.delete(name)
      else timeouts.set(name, ms)
    }
    if (complete) timeouts.clear()
    published.push(...(step.publish ?? []).map((one) => ('message' in one ? one.message : one)))
  }
  for (const cue of cues) {
    if (complete) continue
    if ('timeout' in cue) {
      if (state === undefined || !timeouts.delete(cue.timeout)) continue
      advance(saga.timeouts.get(cue.timeout)?.(state, sagaId) ?? {})
      continue
    }
    const entry = saga.entries.get(cue.type.name)
    if (entry === undefined || (state === undefined && !entry.starts)) continue
    advance(entry.react(state ?? saga.initial(sagaId), messageOf(cue)))
  }
  return { state, complete, timeouts: Object.fromEntries(timeouts), published }
}

function messageOf({ type, data }: OutgoingMessage): Message {
  const { name, version, stream, priority } = type
  const time = new Date('2026-03-02T08:00:00Z')
  return {
    id: `${name} 1`,
    type: name,
    version,
    stream: stream.name,
    key: type.keyOf(data as never),
    data,
    source: 'test',
    time,
    priority,
    correlationId: 'flow',
    causationId: null,
    user: null,
    tenant: null,
    country: null,
    traceparent: null,
    tracestate: null,
  }
}
