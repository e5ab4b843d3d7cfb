import type { Fate, Kind } from './messages.ts'

/** A message of a transaction that committed, by the table that was written in it. */
export interface Committed {
  readonly id: string
  readonly kind: Kind
  readonly key: string | null
  readonly sequence: number | null
  readonly fate: Fate
  /** Scheduled: not before so long after `atMs`. */
  readonly delayMs: number | null
  readonly flow: string | null
  /** By the database's clock. */
  readonly atMs: number
}

/** A row of a group's `effects`. */
export interface Effect {
  /** Drawn under the key's lock: of one key, in the order of the commits. */
  readonly id: number
  readonly message: string
  readonly kind: Kind
  readonly key: string | null
  readonly sequence: number | null
  readonly amount: number | null
  /** 0, or 1 once the dead letters were run again. */
  readonly round: number
  readonly process: string
  readonly atMs: number
}

export interface GroupHistory {
  readonly group: string
  /** What it subscribes to, of what the producers publish. */
  readonly kinds: readonly Kind[]
  readonly effects: readonly Effect[]
  /** Message ids that are dead letters at the end. */
  readonly dead: readonly string[]
  /** Messages still parked at the end. */
  readonly parked: number
}

/** What the producers committed for one flow, all its events together. */
export interface Flow {
  readonly id: string
  readonly events: number
  readonly amount: number
}

export interface RunHistory {
  readonly committed: readonly Committed[]
  /** Ids of messages that were written in any transaction, whatever became of it. */
  readonly attempted: ReadonlySet<string>
  /** Dead letters of the relays: what no transport took. They are dead for every group. */
  readonly deadAtRelay: readonly string[]
  readonly groups: readonly GroupHistory[]
  readonly flows: readonly Flow[]
  /** The group of the saga, whose effects are the flows' events and timeouts. */
  readonly saga: string
  /** How long after a flow's first event its timeout is due. */
  readonly sagaTimeoutMs: number
}

export interface Finding {
  readonly group: string
  /** Message ids whose histories tell more. */
  readonly messages: readonly string[]
  readonly text: string
}

/** Each kind of broken promise. All empty: the run is correct. */
export interface Findings {
  /** Committed, and neither applied nor dead. */
  readonly lost: readonly Finding[]
  /** Applied although never committed. */
  readonly unexpected: readonly Finding[]
  /** Applied more than once, or applied and dead too. */
  readonly duplicates: readonly Finding[]
  /** Out of sequence within a group and key. */
  readonly inversions: readonly Finding[]
  /** Before its time. */
  readonly early: readonly Finding[]
  /** A saga whose end is not what its events add up to. */
  readonly sagas: readonly Finding[]
  /** Still waiting at the end. */
  readonly parked: readonly Finding[]
}

/** Compares what was committed with what became of it. */
export function check(run: RunHistory): Findings {
  return {
    lost: run.groups.flatMap((group) => findLost(run, group)),
    unexpected: run.groups.flatMap((group) => findUnexpected(run, group)),
    duplicates: run.groups.flatMap((group) => findDuplicates(run, group)),
    inversions: run.groups.flatMap(findInversions),
    early: [...run.groups.flatMap((group) => findEarly(run, group)), ...findEarlyTimeouts(run)],
    sagas: run.groups.filter(({ group }) => group !== run.saga).flatMap((group) => findWrongSagas(run, group)),
    parked: run.groups.flatMap(findParked),
  }
}

function findLost({ committed, deadAtRelay }: RunHistory, { group, kinds, effects, dead }: GroupHistory): Finding[] {
  const accounted = new Set([...effects.map(({ message }) => message), ...dead, ...deadAtRelay])
  return committed
    .filter(({ id, kind }) => kinds.includes(kind) && !accounted.has(id))
    .map(({ id, kind, key, sequence }) => ({
      group,
      messages: [id],
      text: `${kind} ${id}${of(key, sequence)} was committed, and is neither applied nor dead`,
    }))
}

/** What the bus itself makes is not among what producers commit. */
const ownKinds: readonly Kind[] = ['tick', 'closed', 'timeout']

function findUnexpected({ committed, attempted }: RunHistory, { group, effects }: GroupHistory): Finding[] {
  const known = new Set(committed.map(({ id }) => id))
  return effects
    .filter(({ message, kind }) => !ownKinds.includes(kind) && !known.has(message))
    .map(({ message, kind, process }) => ({
      group,
      messages: [message],
      text: `${kind} ${message} was applied by ${process}, but ${attempted.has(message) ? 'its transaction rolled back' : 'nobody published it'}`,
    }))
}

function findDuplicates({ deadAtRelay }: RunHistory, { group, effects, dead }: GroupHistory): Finding[] {
  const times = new Map<string, Effect[]>()
  for (const effect of effects) times.set(effect.message, [...(times.get(effect.message) ?? []), effect])
  const twice = [...times].filter(([, same]) => same.length > 1)
  const deadTwice = [...dead, ...deadAtRelay].filter((id, index, all) => all.indexOf(id) !== index)
  const both = [...new Set([...dead, ...deadAtRelay])].filter((id) => times.has(id))
  return [
    ...twice.map(([id, same]) => ({
      group,
      messages: [id],
      text: `${same[0]?.kind} ${id} was applied ${same.length} times, by ${same.map(({ process }) => process).join(' and ')}`,
    })),
    ...deadTwice.map((id) => ({ group, messages: [id], text: `${id} is a dead letter twice` })),
    ...both.map((id) => ({ group, messages: [id], text: `${id} is applied and a dead letter too` })),
  ]
}

/** Each effect that comes after one with a higher sequence. What runs again after its death has an order of its own. */
function findInversions({ group, effects }: GroupHistory): Finding[] {
  const last = new Map<string, Effect>()
  const found: Finding[] = []
  const seen = new Set<string>()
  for (const effect of effects.toSorted((one, other) => one.id - other.id)) {
    const { key, sequence, message, round } = effect
    if (key === null || sequence === null || seen.has(message)) continue
    seen.add(message)
    const line = `${round}/${key}`
    const before = last.get(line)
    if (before === undefined || (before.sequence ?? 0) < sequence) {
      last.set(line, effect)
      continue
    }
    found.push({
      group,
      messages: [before.message, message],
      text: `key ${key}: sequence ${sequence} (${effect.process}) was applied after ${before.sequence} (${before.process})`,
    })
  }
  return found
}

function findEarly({ committed }: RunHistory, { group, effects }: GroupHistory): Finding[] {
  const due = new Map(committed.flatMap(({ id, delayMs, atMs }) => (delayMs === null ? [] : [[id, atMs + delayMs]])))
  return effects.flatMap(({ message, kind, atMs }) => {
    const dueMs = due.get(message)
    if (dueMs === undefined || atMs >= dueMs) return []
    return [{ group, messages: [message], text: `${kind} ${message} was applied ${dueMs - atMs} ms before it was due` }]
  })
}

/** A flow's first timeout is set by its first event, which is written down before. */
function findEarlyTimeouts({ groups, saga, sagaTimeoutMs }: RunHistory): Finding[] {
  const effects = groups.find(({ group }) => group === saga)?.effects ?? []
  const begun = new Map<string, number>()
  for (const { kind, key, atMs } of effects) {
    if (kind === 'flow' && key !== null) begun.set(key, Math.min(atMs, begun.get(key) ?? Infinity))
  }
  return effects.flatMap(({ kind, key, message, atMs }) => {
    const dueMs = (begun.get(key ?? '') ?? Infinity) + sagaTimeoutMs
    if (kind !== 'timeout' || atMs >= dueMs) return []
    return [{ group: saga, messages: [message], text: `the timeout of flow ${key} came ${dueMs - atMs} ms early` }]
  })
}

/** Every flow is closed once, with the sum of its events. */
function findWrongSagas({ flows }: RunHistory, { group, effects }: GroupHistory): Finding[] {
  const closed = new Map<string, Effect[]>()
  for (const effect of effects) {
    if (effect.kind === 'closed') closed.set(effect.key ?? '', [...(closed.get(effect.key ?? '') ?? []), effect])
  }
  const known = new Set(flows.map(({ id }) => id))
  const wrong = flows.flatMap(({ id, amount }): Finding[] => {
    const ends = closed.get(id) ?? []
    const messages = ends.map(({ message }) => message)
    if (ends.length !== 1) return [{ group, messages, text: `flow ${id} was closed ${ends.length} times` }]
    if (ends[0]?.amount === amount) return []
    return [{ group, messages, text: `flow ${id} was closed with ${ends[0]?.amount}, its events are ${amount}` }]
  })
  const strangers = [...closed.keys()].filter((id) => !known.has(id))
  return [
    ...wrong,
    ...strangers.map((id) => ({ group, messages: [], text: `flow ${id} was closed, and never opened` })),
  ]
}

function findParked({ group, parked }: GroupHistory): Finding[] {
  return parked === 0 ? [] : [{ group, messages: [], text: `${parked} messages are still parked` }]
}

function of(key: string | null, sequence: number | null): string {
  return key === null ? '' : ` (key ${key}, sequence ${sequence})`
}
