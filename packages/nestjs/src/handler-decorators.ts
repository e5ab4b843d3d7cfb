import type {
  BatchOptions,
  ExternalContext,
  ExternalOptions,
  Group,
  HandlerContext,
  HandlerResult,
  Message,
  MessageType,
} from '@acuse/core'

/** The same symbol for every copy of this package in a process. */
const handlersKey = Symbol.for('acuse:nestjs:handlers')

/** Calls the method of the instance it was found on. */
export type CallMethod = (messages: unknown, context: unknown) => HandlerResult

/** One decorator on one method. */
export interface MethodHandler {
  readonly method: string | symbol
  /** How it reads in the source, for messages to people. */
  readonly decorator: string
  readonly declare: (group: Group<unknown>, call: CallMethod) => void
}

/** A decorator for methods that fit `Method`; on any other it is a compile error. */
export type HandlerDecorator<Method> = <Given extends Method>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<Given>,
) => void

/** The method may say which client its `tx` is: a bus has only one, and the decorator cannot know it. */
type AnyClient = never

/**
 * Handles one message in an effect transaction: your writes, the inbox and what you publish commit together.
 * The method's first parameter must fit the type's data.
 */
export function On<In, Out>(
  type: MessageType<In, Out>,
): HandlerDecorator<(message: Message<Out>, context: HandlerContext<AnyClient>) => HandlerResult> {
  return handles(`@On(${type.name})`, (group, call) => group.on(type, call))
}

/** Handles several messages in one effect transaction. On failure it is rolled back and halved, until the failing one stands alone. */
export function OnBatch<In, Out>(
  type: MessageType<In, Out>,
  options?: BatchOptions,
): HandlerDecorator<
  (
    messages: readonly Message<Out>[],
    context: Omit<HandlerContext<AnyClient>, 'attempt' | 'idempotencyKey'>,
  ) => Promise<void> | void
> {
  return handles(`@OnBatch(${type.name})`, (group, call) => {
    // The decorator's type has made sure that the method gives nothing back.
    group.onBatch(type, (messages, context) => call(messages, context) as Promise<void>, options)
  })
}

/** Handles a message that has effects outside this database: no transaction is open while it runs, at least once, under a lease. */
export function OnExternal<In, Out>(
  type: MessageType<In, Out>,
  options?: ExternalOptions,
): HandlerDecorator<(message: Message<Out>, context: ExternalContext) => HandlerResult> {
  return handles(`@OnExternal(${type.name})`, (group, call) => group.onExternal(type, call, options))
}

/** The handlers of a class and of those it extends. An overriding method with decorators of its own replaces the handlers of the other. */
export function handlersOf(prototype: object): readonly MethodHandler[] {
  const inherited = Object.getPrototypeOf(prototype) as object | null
  const own = ownHandlers(prototype)
  const replaced = new Set(own.map(({ method }) => method))
  const kept = inherited === null ? [] : handlersOf(inherited).filter(({ method }) => !replaced.has(method))
  return [...kept, ...own]
}

/** Kept by method name on the prototype, so that it does not matter which other decorators wrap the method. */
function handles(decorator: string, declare: MethodHandler['declare']): HandlerDecorator<unknown> {
  return (target, method) => {
    const handlers = [...ownHandlers(target), { method, decorator, declare }]
    Object.defineProperty(target, handlersKey, { value: handlers, configurable: true })
  }
}

function ownHandlers(prototype: object): readonly MethodHandler[] {
  // Only the decorators write under this symbol.
  return (Object.getOwnPropertyDescriptor(prototype, handlersKey)?.value ?? []) as readonly MethodHandler[]
}
