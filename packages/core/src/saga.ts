import type { AnyMessageType, Message, MessageType, OutgoingMessage, PublishOptions } from './message.ts'
import { AcuseError } from './errors.ts'
import { checkName } from './names.ts'

/** What a saga does in answer to a message: plain data, so that it is tested without anything running. */
export interface SagaStep<State> {
  /** The new state; left out, it stays as it is. A JSON value. */
  readonly state?: State
  readonly publish?: readonly (OutgoingMessage | SagaPublish)[]
  /** Sets timeouts by name, ms from now by the database's clock (replacing one of that name), or cancels with `null`. */
  readonly timeouts?: Readonly<Record<string, number | null>>
  /** Ends the saga: its timeouts are cancelled, and later messages to it are ignored. */
  readonly complete?: boolean
}

export interface SagaPublish {
  readonly message: OutgoingMessage
  readonly options: PublishOptions
}

export interface Correlation<Data> {
  /** Which saga the message belongs to. */
  readonly id: (message: Message<Data>) => string
  /** Whether it begins a saga that does not exist yet. Default false: without one, the message is ignored. */
  readonly starts?: boolean
}

export type Reaction<State, Data> = (state: State, message: Message<Data>) => SagaStep<State>
export type TimeoutReaction<State> = (state: State, sagaId: string) => SagaStep<State>

interface SagaEntry<State> {
  readonly type: AnyMessageType
  readonly id: (message: Message) => string
  readonly starts: boolean
  readonly react: Reaction<State, unknown>
}

/** A long-running process over messages: persisted state, reactions that are pure functions, and timeouts. */
export class Saga<State> {
  readonly name: string
  readonly initial: (sagaId: string) => State
  readonly entries: Map<string, SagaEntry<State>> = new Map()
  readonly timeouts: Map<string, TimeoutReaction<State>> = new Map()

  constructor(name: string, initial: (sagaId: string) => State) {
    checkName('saga', name)
    this.name = name
    this.initial = initial
  }

  /** Reacts to a message type. The saga it belongs to is found by `id`. */
  on<In, Out>(type: MessageType<In, Out>, correlation: Correlation<Out>, react: Reaction<State, Out>): this {
    if (this.entries.has(type.name)) {
      throw new AcuseError('ACUSE_DUPLICATE_HANDLER', `saga ${this.name} reacts to ${type.name} already.`)
    }
    const entry = { type, id: correlation.id, starts: correlation.starts === true, react }
    // What reaches the reaction has passed the type's schema, whose output is `Out`.
    this.entries.set(type.name, entry as SagaEntry<State>)
    return this
  }

  /** Reacts when a timeout of this name, set by an earlier step and not cancelled since, is due. */
  onTimeout(name: string, react: TimeoutReaction<State>): this {
    checkName('timeout', name)
    if (this.timeouts.has(name)) {
      throw new AcuseError('ACUSE_DUPLICATE_HANDLER', `saga ${this.name} has a reaction to timeout ${name} already.`)
    }
    this.timeouts.set(name, react)
    return this
  }
}

/** Declares a saga. `initial` gives the state it begins with. */
export function saga<State>(name: string, initial: (sagaId: string) => State): Saga<State> {
  return new Saga(name, initial)
}
