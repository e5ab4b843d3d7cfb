import { type Bus, ConfigurationError } from '@acuse/core'
import type { OnApplicationBootstrap, OnModuleInit } from '@nestjs/common'
import type { DiscoveryService } from '@nestjs/core'
import { declareHandlers } from './declare-handlers.ts'
import { findHandlers } from './found-handlers.ts'
import { SagaList } from './saga-list.ts'
import { nameOfBus } from './tokens.ts'

/** Declares on a bus what the application has for it, and starts it. */
export class BusStart implements OnModuleInit, OnApplicationBootstrap {
  readonly name: string | undefined
  readonly #bus: Bus<unknown>
  readonly #discovery: DiscoveryService

  constructor(name: string | undefined, bus: Bus<unknown>, discovery: DiscoveryService) {
    this.name = name
    this.#bus = bus
    this.#discovery = discovery
  }

  /** All providers exist by now, and none has been told that the application runs. */
  onModuleInit(): void {
    const providers = this.#discovery.getProviders().map(({ instance }) => instance as unknown)
    const buses = providers.filter((one) => one instanceof BusStart).map(({ name }) => name)
    if (buses.filter((name) => name === this.name).length > 1) {
      throw new ConfigurationError(
        `${nameOfBus(this.name)} is declared twice. Give each AcuseModule.forRoot a name of its own.`,
      )
    }
    const classes = findHandlers(this.#discovery)
    const lists = providers.filter((one) => one instanceof SagaList)
    for (const { name, group } of classes) checkKnown(buses, group.bus, name)
    for (const { bus } of lists) checkKnown(buses, bus, 'AcuseModule.forFeature')
    declareHandlers(
      this.#bus,
      classes.filter(({ group }) => group.bus === this.name),
    )
    for (const list of lists) if (list.bus === this.name) list.declareOn(this.#bus)
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#bus.start()
  }
}

function checkKnown(buses: readonly (string | undefined)[], bus: string | undefined, who: string): void {
  if (buses.includes(bus)) return
  const known = buses.map(nameOfBus).join(', ')
  throw new ConfigurationError(`${who} asks for ${nameOfBus(bus)}, but the application has only ${known}.`)
}
