import { AcuseError, type Bus, ConfigurationError, type Group, type GroupOptions } from '@acuse/core'
import type { HandlerClass } from './found-handlers.ts'
import type { CallMethod, MethodHandler } from './handler-decorators.ts'

/** Declares on a bus the groups of these classes. Errors name the class and the method. */
export function declareHandlers(bus: Bus<unknown>, classes: readonly HandlerClass[]): void {
  const groups = Map.groupBy(classes, ({ group }) => group.name ?? bus.service)
  for (const [name, members] of groups) {
    const options = optionsOf(name, members)
    const group = naming(namesOf(members), () => bus.group(name, options))
    for (const member of members) {
      for (const handler of member.handlers) declareHandler(group, member, handler)
    }
  }
}

function optionsOf(name: string, members: readonly HandlerClass[]): GroupOptions {
  const [first, second] = members.filter(({ group }) => Object.keys(group.options).length > 0)
  if (first !== undefined && second !== undefined) {
    throw new ConfigurationError(
      `${first.name} and ${second.name} both give options to group ${name}. Give them in one @Group; the other joins by the name alone.`,
    )
  }
  return first?.group.options ?? {}
}

function declareHandler(group: Group<unknown>, { name, instance }: HandlerClass, handler: MethodHandler): void {
  const { method, decorator, declare } = handler
  naming(`${name}.${String(method)}, ${decorator}`, () => declare(group, callOf(instance, method)))
}

/** Looks the method up on each call, so that one that a test replaces is replaced here too. */
function callOf(instance: object, method: string | symbol): CallMethod {
  // The decorators take nothing but methods.
  return (messages, context) => (instance as Record<string | symbol, CallMethod>)[method]?.(messages, context)
}

function namesOf(members: readonly HandlerClass[]): string {
  return members.map(({ name }) => name).join(' and ')
}

/** Core knows the group and the message type; whoever has to mend it looks for the class. */
function naming<R>(where: string, declare: () => R): R {
  try {
    return declare()
  } catch (error) {
    if (!(error instanceof AcuseError)) throw error
    const message = `${where}: ${error.message}`
    if (error instanceof ConfigurationError) throw new ConfigurationError(message)
    throw new AcuseError(error.code, message, { cause: error })
  }
}
