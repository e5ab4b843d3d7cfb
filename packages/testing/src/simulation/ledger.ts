import type { Bus, Group, GroupOptions, Message, MessageType, ParkRequest, Saga, Store, WireMessage } from '@acuse/core'
import type { MemoryDatabase } from '../memory-database.ts'
import { type MemoryTx, type Participant, Transaction } from '../memory-transaction.ts'

/** A group as it was declared. */
export interface DeclaredGroup {
  readonly name: string
  /** The service whose group it is. */
  readonly service: string
  /** Whether earlier messages of a key hold later ones back. */
  readonly ordered: boolean
  /** Message types it handles, but for the timeouts of a saga. */
  readonly types: Set<string>
  readonly saga: Saga<unknown> | undefined
}

/** A message whose effects are committed. */
export interface Effect {
  readonly kind: 'effect'
  readonly group: string
  readonly message: Message
  readonly atMs: number
}

/** A timeout that a saga has set. */
export interface TimeoutSet {
  readonly kind: 'timeout'
  readonly group: string
  readonly message: WireMessage
  readonly dueAtMs: number
}

/** A message kept for later. */
export interface Scheduled {
  readonly kind: 'scheduled'
  readonly id: string
  readonly dueAtMs: number
}

export type Entry = Effect | TimeoutSet | Scheduled

/** What is told of each transaction that committed: what happened in it, in order. */
export type OnCommit = (service: string, entries: readonly Entry[]) => void

/** Writes down what commits in one service's database, and nothing of what does not. */
export class Ledger implements Participant {
  readonly database: MemoryDatabase
  readonly groups: Map<string, DeclaredGroup> = new Map()
  readonly #service: string
  readonly #onCommit: OnCommit
  readonly #open = new Map<Transaction, Entry[]>()

  constructor(service: string, database: MemoryDatabase, onCommit: OnCommit) {
    this.#service = service
    this.database = database
    this.#onCommit = onCommit
  }

  note(tx: MemoryTx, entry: Entry): void {
    if (!(tx instanceof Transaction)) return
    tx.join(this)
    const entries = this.#open.get(tx)
    if (entries === undefined) this.#open.set(tx, [entry])
    else entries.push(entry)
  }

  check(_tx: Transaction): void {
    // Looking on never conflicts.
  }

  commit(tx: Transaction): void {
    const entries = this.#open.get(tx) ?? []
    this.#open.delete(tx)
    this.#onCommit(this.#service, entries)
  }

  rollback(tx: Transaction): void {
    this.#open.delete(tx)
  }

  /** Watches what the groups of a bus apply: each handler's message is noted in the handler's own transaction. */
  watchGroups(bus: Bus<MemoryTx>): void {
    const declareGroup = bus.group.bind(bus)
    const declareSaga = bus.saga.bind(bus)
    bus.group = (
      nameOrOptions?: string | GroupOptions<MemoryTx>,
      more: GroupOptions<MemoryTx> = {},
    ): Group<MemoryTx> => {
      const named = typeof nameOrOptions === 'string'
      const name = named ? nameOrOptions : bus.service
      const options = named ? more : (nameOrOptions ?? {})
      const types = this.#declared(name, options, undefined)
      return noteTypes(declareGroup(name, this.#watched(options)), types)
    }
    bus.saga = <State>(saga: Saga<State>, given?: GroupOptions<MemoryTx>): void => {
      const options = given ?? {}
      // Whatever the state is, it comes back to the reactions it came from.
      const types = this.#declared(`saga.${saga.name}`, options, saga as unknown as Saga<unknown>)
      for (const { type } of saga.entries.values()) types.add(type.name)
      declareSaga(saga, this.#watched(options))
    }
  }

  /** Watches what a store keeps for later. */
  watchStore(store: Store<MemoryTx>): Store<MemoryTx> {
    const { parked, schedule } = store
    const now = (): number => this.database.clock.now()
    return {
      ...store,
      parked: {
        ...parked,
        park: async (tx, group, request: ParkRequest) => {
          const answer = await parked.park(tx, group, request)
          const { message, reason, dueInMs } = request
          if (reason === 'timeout') this.note(tx, { kind: 'timeout', group, message, dueAtMs: now() + dueInMs })
          return answer
        },
      },
      schedule: {
        ...schedule,
        add: async (tx, message, due) => {
          await schedule.add(tx, message, due)
          const dueAtMs = due.at?.getTime() ?? now() + (due.inMs ?? 0)
          this.note(tx, { kind: 'scheduled', id: message.id, dueAtMs })
        },
      },
    }
  }

  #declared(name: string, options: GroupOptions<MemoryTx>, saga: Saga<unknown> | undefined): Set<string> {
    const types = new Set<string>()
    const ordered = options.whileRetrying !== 'continue'
    this.groups.set(name, { name, service: this.#service, ordered, types, saga })
    return types
  }

  #watched(options: GroupOptions<MemoryTx>): GroupOptions<MemoryTx> {
    return {
      ...options,
      inTransaction: async (message, context) => {
        this.note(context.tx, { kind: 'effect', group: context.group, message, atMs: this.database.clock.now() })
        await options.inTransaction?.(message, context)
      },
    }
  }
}

/** Notes each type that is given a handler. */
function noteTypes(group: Group<MemoryTx>, types: Set<string>): Group<MemoryTx> {
  const noted: Group<MemoryTx> = {
    name: group.name,
    on(type, handler) {
      group.on(noting(type), handler)
      return noted
    },
    onBatch(type, handler, options) {
      group.onBatch(noting(type), handler, options)
      return noted
    },
    onExternal(type, handler, options) {
      group.onExternal(noting(type), handler, options)
      return noted
    },
  }
  function noting<In, Out>(type: MessageType<In, Out>): MessageType<In, Out> {
    types.add(type.name)
    return type
  }
  return noted
}
