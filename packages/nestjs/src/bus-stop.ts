import type { Bus } from '@acuse/core'
import type { OnApplicationShutdown } from '@nestjs/common'

/** Drains a bus when the application shuts down. */
export class BusStop implements OnApplicationShutdown {
  readonly #bus: Bus<unknown>
  readonly #deadlineMs: number | undefined

  constructor(bus: Bus<unknown>, deadlineMs: number | undefined) {
    this.#bus = bus
    this.#deadlineMs = deadlineMs
  }

  /** Not in an earlier hook: until this one the HTTP server answers requests, and they publish. */
  async onApplicationShutdown(): Promise<void> {
    await this.#bus.stop(this.#deadlineMs === undefined ? {} : { deadlineMs: this.#deadlineMs })
  }
}
