import type { GroupOptions } from '@acuse/core'

/** The same symbol for every copy of this package in a process. */
const groupKey = Symbol.for('acuse:nestjs:group')

export interface HandlerGroupOptions extends GroupOptions {
  /** The name of the bus whose group it is. Default: the one without a name. */
  readonly bus?: string
}

/** The group that the handlers of a class belong to. */
export interface ClassGroup {
  /** Left out, it is the service's own group. */
  readonly name: string | undefined
  readonly bus: string | undefined
  readonly options: GroupOptions
}

/**
 * Runs the handlers of a provider or controller in a group of the bus; its name defaults to the service's. Classes may share a group:
 * one of them says its options.
 */
export function Group(options?: HandlerGroupOptions): ClassDecorator
export function Group(name: string, options?: HandlerGroupOptions): ClassDecorator
export function Group(nameOrOptions?: string | HandlerGroupOptions, more: HandlerGroupOptions = {}): ClassDecorator {
  const named = typeof nameOrOptions === 'string'
  const { bus, ...options } = named ? more : (nameOrOptions ?? {})
  const group: ClassGroup = { name: named ? nameOrOptions : undefined, bus, options }
  return (target) => {
    Object.defineProperty(target, groupKey, { value: group })
  }
}

/** The group of a class, be it that the class it extends has it. */
export function groupOf(target: object): ClassGroup | undefined {
  // Only the decorator writes under this symbol.
  return Reflect.get(target, groupKey) as ClassGroup | undefined
}
