import { Inject } from '@nestjs/common'

/** The provider token of a bus, for `inject`, `overrideProvider` and `app.get`. Without a name, that of the only or first bus. */
export function busToken(name?: string): string {
  return name === undefined ? 'acuse:bus' : `acuse:bus:${name}`
}

/** Injects a bus into a constructor parameter or a property: `constructor(@InjectBus() private readonly bus: Bus<Tx>)`. */
export function InjectBus(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(busToken(name))
}

/** What a bus is called in messages to people. */
export function nameOfBus(name: string | undefined): string {
  return name === undefined ? 'the default bus' : `bus ${name}`
}
