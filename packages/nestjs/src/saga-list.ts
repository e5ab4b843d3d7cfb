import type { Bus, GroupOptions, Saga } from '@acuse/core'

/** A saga of any state. */
export interface AnySaga {
  readonly name: string
}

export interface SagaListOptions {
  readonly sagas: readonly AnySaga[]
  readonly bus: string | undefined
  readonly options: GroupOptions
}

/** The sagas that one module runs, kept as a provider so that the bus finds them. */
export class SagaList {
  readonly bus: string | undefined
  readonly #sagas: readonly AnySaga[]
  readonly #options: GroupOptions

  constructor({ sagas, bus, options }: SagaListOptions) {
    this.bus = bus
    this.#sagas = sagas
    this.#options = options
  }

  declareOn(bus: Bus<unknown>): void {
    // What a saga's state is matters to its own functions alone, and only those ever see it.
    for (const one of this.#sagas) bus.saga(one as Saga<unknown>, this.#options)
  }
}
