import { ConfigurationError } from '@acuse/core'
import type { DiscoveryService } from '@nestjs/core'
import { type ClassGroup, groupOf } from './group-decorator.ts'
import { handlersOf, type MethodHandler } from './handler-decorators.ts'

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number]

/** A provider or controller with handlers. */
export interface HandlerClass {
  readonly name: string
  readonly instance: object
  readonly group: ClassGroup
  readonly handlers: readonly MethodHandler[]
}

/** Everything in the application that has handlers. Throws `ACUSE_CONFIGURATION` where it could not receive messages. */
export function findHandlers(discovery: DiscoveryService): readonly HandlerClass[] {
  const found = new Map<object, HandlerClass>()
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const prototype = prototypeOf(wrapper)
    if (typeof prototype?.constructor !== 'function') continue
    const handlers = handlersOf(prototype)
    const group = groupOf(prototype.constructor)
    if (handlers.length === 0 && group === undefined) continue
    const { name } = prototype.constructor
    const instance = checkedInstance(wrapper, name)
    // An alias (`useExisting`) is the same instance under another token.
    if (!found.has(instance)) found.set(instance, { name, instance, ...checked(name, group, handlers) })
  }
  return [...found.values()]
}

function prototypeOf({ instance, metatype, inject }: Wrapper): object | null {
  const built: unknown = instance
  if (typeof built === 'object' && built !== null) return Object.getPrototypeOf(built) as object | null
  const isClass = typeof metatype === 'function' && (inject === null || inject === undefined)
  return isClass ? ((metatype.prototype as object | undefined) ?? null) : null
}

function checkedInstance(wrapper: Wrapper, name: string): object {
  if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
    throw new ConfigurationError(
      `${name} has message handlers but is ${wrapper.isTransient ? 'transient' : 'request-scoped, by itself or by something it injects'}. ` +
        'A message belongs to no request: give it the default scope, and take what differs from message to message from the message.',
    )
  }
  return wrapper.instance as object
}

function checked(
  name: string,
  group: ClassGroup | undefined,
  handlers: readonly MethodHandler[],
): Pick<HandlerClass, 'group' | 'handlers'> {
  const [first] = handlers
  if (group === undefined) {
    const where = first === undefined ? name : `${name}.${String(first.method)}`
    throw new ConfigurationError(
      `${where} has ${first?.decorator ?? 'a handler'}, but ${name} has no @Group(): say in which group it runs.`,
    )
  }
  if (first === undefined) {
    throw new ConfigurationError(`${name} has @Group(), but no method with @On, @OnBatch or @OnExternal.`)
  }
  return { group, handlers }
}
