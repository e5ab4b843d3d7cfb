import { type WireMessage, relayGroup } from '@acuse/core'
import type { MemoryDatabase } from '../memory-database.ts'
import { type ParkedRow, rowKey } from '../memory-rows.ts'
import type { DeclaredGroup, Effect, Entry, Ledger } from './ledger.ts'
import { SagaFold } from './saga-fold.ts'

/** A promise that was broken. */
export interface SimulationProblem {
  readonly kind:
    /** Committed, but neither applied nor dead. */
    | 'lost'
    /** Applied, but never committed. */
    | 'unexpected'
    /** Applied twice. */
    | 'duplicate'
    /** Applied before an earlier message of its key. */
    | 'inversion'
    /** Both applied and a dead letter. */
    | 'applied and dead'
    /** A timeout or a scheduled message was there before its time. */
    | 'early'
    /** A saga's timeout is due and nobody will ever run it. */
    | 'lost timeout'
    /** A saga's state is not what the messages it applied make of it. */
    | 'saga'
    /** Something still waits although everything works. */
    | 'left waiting'
    /** A process could not be started. */
    | 'start'
    /** The scenario's own check failed. */
    | 'check'
  readonly what: string
}

interface Publication {
  readonly database: MemoryDatabase
  readonly position: number
  readonly message: WireMessage
}

/** Compares what was committed with what became of it: at every commit, and when everything has settled. */
export class Audit {
  readonly problems: SimulationProblem[] = []
  readonly effects: Effect[] = []
  readonly #ledgers: ReadonlyMap<string, Ledger>
  readonly #broker: (() => readonly WireMessage[]) | undefined
  readonly #published = new Map<string, Publication>()
  readonly #read = new Map<MemoryDatabase, number>()
  readonly #applied = new Map<string, number>()
  /** By group and key, the position of what was applied last. */
  readonly #reached = new Map<string, number>()
  readonly #timeouts = new Map<string, number>()
  readonly #scheduled = new Map<string, number>()
  readonly #folds = new Map<string, SagaFold>()

  constructor(ledgers: ReadonlyMap<string, Ledger>, broker: (() => readonly WireMessage[]) | undefined) {
    this.#ledgers = ledgers
    this.#broker = broker
  }

  /** How many messages are committed. */
  get committed(): number {
    return this.#published.size
  }

  onCommit(service: string, entries: readonly Entry[]): void {
    const ledger = this.#ledgers.get(service)
    if (ledger === undefined) return
    for (const entry of entries) {
      if (entry.kind === 'scheduled') this.#scheduled.set(entry.id, entry.dueAtMs)
      else if (entry.kind === 'timeout') {
        this.#timeouts.set(entry.message.id, entry.dueAtMs)
        this.#foldOf(ledger, entry.group)?.setTimeout(entry.message.id)
      } else this.#onEffect(ledger, entry)
    }
  }

  /** What is not done yet, or lost. */
  unsettled(): SimulationProblem[] {
    this.#catchUp()
    return [...this.#unrelayed(), ...this.#unapplied(), ...this.#waiting(), ...this.#lostTimeouts()]
  }

  /** What is wrong now that nothing goes on any more. */
  atTheEnd(): SimulationProblem[] {
    return [...this.problems, ...this.unsettled(), ...this.#appliedAndDead(), ...this.#sagas()]
  }

  #onEffect(ledger: Ledger, effect: Effect): void {
    const { group, message, atMs } = effect
    this.effects.push(effect)
    const name = `${message.type} ${message.id} in group ${group}`
    const applied = (this.#applied.get(rowKey(group, message.id)) ?? 0) + 1
    this.#applied.set(rowKey(group, message.id), applied)
    if (applied > 1) this.#found('duplicate', `${name} was applied ${applied} times`)
    this.#foldOf(ledger, group)?.apply(effect)
    const timeoutDueAt = this.#timeouts.get(message.id)
    if (timeoutDueAt !== undefined) {
      if (atMs < timeoutDueAt) this.#found('early', `${name} was due ${timeoutDueAt - atMs} ms later`)
      return
    }
    this.#catchUp()
    const publication = this.#published.get(message.id)
    if (publication === undefined) return this.#found('unexpected', `${name} was never committed`)
    if (applied === 1 && isOrdered(ledger, effect)) this.#checkOrder(effect, publication, name)
  }

  #checkOrder({ group, message }: Effect, { database, position }: Publication, name: string): void {
    const { stream, key, priority } = message
    const line = rowKey(group, database.identity, stream, priority, key ?? '')
    const reached = this.#reached.get(line) ?? -1
    if (position < reached) {
      this.#found(
        'inversion',
        `${name} (key ${key ?? ''}) was number ${position}, and number ${reached} was applied before it`,
      )
    }
    this.#reached.set(line, Math.max(reached, position))
  }

  /** Reads what the logs have grown by. Of a message that is there twice the first one counts. */
  #catchUp(): void {
    for (const { database } of this.#ledgers.values()) {
      const { entries } = database.log
      for (let at = this.#read.get(database) ?? 0; at < entries.length; at++) {
        const entry = entries[at]
        if (entry === undefined) continue
        const { message, position } = entry
        const dueAt = this.#scheduled.get(message.id)
        if (dueAt !== undefined && entry.at < dueAt) {
          this.#found('early', `${message.type} ${message.id} was scheduled for ${dueAt - entry.at} ms later`)
        }
        if (!this.#published.has(message.id)) this.#published.set(message.id, { database, position, message })
      }
      this.#read.set(database, entries.length)
    }
  }

  #unrelayed(): SimulationProblem[] {
    if (this.#broker === undefined) return []
    const there = new Set(this.#broker().map(({ id }) => id))
    return [...this.#published.values()]
      .filter(
        ({ message, database }) => !there.has(message.id) && letterOf(database, relayGroup, message.id) === undefined,
      )
      .map(({ message }) => ({ kind: 'lost', what: `${message.type} ${message.id} never reached the transport` }))
  }

  #unapplied(): SimulationProblem[] {
    const problems: SimulationProblem[] = []
    for (const { group, database } of this.#groups()) {
      for (const { message, database: publisher } of this.#published.values()) {
        if (!group.types.has(message.type) || this.#applied.has(rowKey(group.name, message.id))) continue
        if (letterOf(database, group.name, message.id) !== undefined) continue
        if (letterOf(publisher, relayGroup, message.id) !== undefined) continue
        problems.push({ kind: 'lost', what: `${message.type} ${message.id} was not applied by group ${group.name}` })
      }
    }
    return problems
  }

  #waiting(): SimulationProblem[] {
    const problems: SimulationProblem[] = []
    for (const database of new Set([...this.#ledgers.values()].map((ledger) => ledger.database))) {
      const now = database.clock.now()
      for (const row of database.rows.parked.committed().values()) {
        if (isAtRest(row, now)) continue
        const { group, message, reason } = row
        problems.push({
          kind: 'left waiting',
          what: `${message.type} ${message.id} of group ${group} is parked (${reason})`,
        })
      }
      for (const { message, dueAt } of database.rows.scheduled.committed().values()) {
        if (dueAt <= now)
          problems.push({ kind: 'left waiting', what: `${message.type} ${message.id} is due and not sent` })
      }
    }
    return problems
  }

  #lostTimeouts(): SimulationProblem[] {
    const problems: SimulationProblem[] = []
    for (const { group, database } of this.#groups()) {
      const parked = new Set([...database.rows.parked.committed().values()].map(({ message }) => message.id))
      for (const id of this.#folds.get(group.name)?.pending() ?? []) {
        if (parked.has(id) || letterOf(database, group.name, id) !== undefined) continue
        problems.push({ kind: 'lost timeout', what: `timeout ${id} of group ${group.name} is parked nowhere` })
      }
    }
    return problems
  }

  #appliedAndDead(): SimulationProblem[] {
    return this.#groups().flatMap(({ group, database }) =>
      [...database.rows.deadLetters.committed().values()]
        .filter((letter) => letter.group === group.name && letter.state === 'dead')
        .filter(({ message }) => this.#applied.has(rowKey(group.name, message.id)))
        .map(({ message }) => ({
          kind: 'applied and dead' as const,
          what: `${message.type} ${message.id} of group ${group.name}`,
        })),
    )
  }

  #sagas(): SimulationProblem[] {
    return this.#groups().flatMap(({ group, database }) => {
      const name = group.saga?.name ?? ''
      const stored = (id: string): ReturnType<typeof record> => record(database, name, id)
      return (this.#folds.get(group.name)?.differences(stored) ?? []).map((what) => ({ kind: 'saga' as const, what }))
    })
  }

  #groups(): { readonly group: DeclaredGroup; readonly database: MemoryDatabase }[] {
    return [...this.#ledgers.values()].flatMap(({ groups, database }) =>
      [...groups.values()].map((group) => ({ group, database })),
    )
  }

  #foldOf(ledger: Ledger, group: string): SagaFold | undefined {
    const saga = ledger.groups.get(group)?.saga
    if (saga === undefined) return undefined
    const fold = this.#folds.get(group) ?? new SagaFold(saga)
    this.#folds.set(group, fold)
    return fold
  }

  #found(kind: SimulationProblem['kind'], what: string): void {
    this.problems.push({ kind, what })
  }
}

/** What waits for a time to come, or for an operator, is where it should be. */
function isAtRest({ reason, dueAt, leasedUntil }: ParkedRow, now: number): boolean {
  return reason === 'dead' || (reason === 'timeout' && leasedUntil === null && dueAt > now)
}

/** What an operator replays comes after what has gone on without it. */
function isOrdered({ groups, database }: Ledger, { group, message }: Effect): boolean {
  if (message.key === null || groups.get(group)?.ordered !== true) return false
  return letterOf(database, group, message.id) === undefined
}

function letterOf(database: MemoryDatabase, group: string, id: string): unknown {
  return database.rows.deadLetters.committed().get(rowKey(group, id))
}

function record(database: MemoryDatabase, saga: string, id: string) {
  return database.rows.sagas.committed().get(rowKey(saga, id))?.record
}
